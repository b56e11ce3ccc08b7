"""The types of collections."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from handler.search import names
from handler.storage.types import ObjectReference

Engine = Literal["memory", "s3vectors"]

FORMAT = 1


class CollectionRecord(Struct, frozen=True, kw_only=True):
    """The object that says a collection exists.

    `generation` names this making of it: what was deleted and made anew shares nothing. `created`
    is in seconds since 1970.
    """

    format: int = FORMAT
    name: str
    contract: str
    dimension: int
    generation: str
    created: float | None = None

    @property
    def prefix(self) -> str:
        return names.generation_prefix(self.name, self.generation)


class ObjectSource(Struct, frozen=True, kw_only=True):
    """The object of a bucket that a face was found in."""

    bucket: str
    key: str


class FaceDocument(Struct, frozen=True, kw_only=True):
    """A face as its object holds it; the same face gives the same bytes.

    `embedding` is base64 of little-endian float32, `box` left, top, width, height in pixels.
    """

    format: int = FORMAT
    id: str
    person: str | None
    contract: str
    embedding: str
    box: tuple[float, float, float, float] | None = None
    source: ObjectSource | None = None
    note: dict[str, Any] | UnsetType = UNSET


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a collection: `key` below the generation, `vector` float32 [D] of unit length.

    `note` is what a protocol keeps with the face (`handler.rekognition`); nothing here reads it.
    """

    key: str
    vector: NDArray[np.float32]
    person: str | None = None
    source: ObjectSource | None = None
    box: tuple[float, float, float, float] | None = None
    note: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return names.face_of_key(self.key)

    @property
    def group(self) -> str:
        return names.group_of_key(self.key)

    def document(self, contract: str) -> bytes:
        """The bytes of its object."""
        return msgspec.json.encode(
            FaceDocument(
                id=self.id,
                person=self.person,
                contract=contract,
                embedding=base64.b64encode(self.vector.astype("<f4").tobytes()).decode("ascii"),
                box=self.box,
                source=self.source,
                note=dict(self.note) if self.note else UNSET,
            )
        )


@dataclass(frozen=True)
class Gallery:
    """The size of a collection. Beyond what a few listings show, `estimated`.

    Args:
        persons: Persons, and faces without a person, which are each their own.
        faces: All faces.
    """

    persons: int
    faces: int
    estimated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For answers; `estimated` only where it is so."""
        counts: dict[str, Any] = {"persons": self.persons, "faces": self.faces}
        return {**counts, "estimated": True} if self.estimated else counts


@dataclass(frozen=True, eq=False)
class BucketFace:
    """A face that a batch found in an object of a bucket.

    Args:
        identity: The object's version or ETag.
        index: The face's place in the picture.
        person: The person that the object's key names; None for any face of a photograph.
    """

    reference: ObjectReference
    identity: str
    index: int
    vector: NDArray[np.float32]
    person: str | None
    box: tuple[float, float, float, float]

    def as_face(self, contract: str) -> Face:
        """The face as a collection holds it."""
        plain = ObjectReference(self.reference.bucket, self.reference.key)
        group = (
            names.object_group(plain) if self.person is None else names.person_group(self.person)
        )
        identifier = names.object_face_id(group, plain, self.identity, self.index, contract)
        return Face(
            key=names.face_key(group, identifier),
            vector=self.vector,
            person=self.person,
            source=ObjectSource(bucket=plain.bucket, key=plain.key),
            box=self.box,
        )


def read_face(key: str, body: bytes) -> Face:
    """The face of an object. Raises ValueError (msgspec's is one) for what is no face."""
    document = msgspec.json.decode(body, type=FaceDocument)
    vector = np.frombuffer(base64.b64decode(document.embedding, validate=True), "<f4")
    return Face(
        key=key,
        vector=vector.astype(np.float32),
        person=document.person,
        source=document.source,
        box=document.box,
        note=document.note or None,
    )
