"""A collection as Rekognition sees it. The only module here that knows handler.search.

An indexed face is a person of its own until it is associated with a user, who is a person of ours
under the same name. The id of a face shows the part of ours that stays when it moves.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from handler.faces.embedding import EmbeddingProfile, choose_profile
from handler.faces.requests import Options
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import ids
from handler.rekognition.answers import PERCENT_DECIMALS, BoundingBox, IndexedFace
from handler.rekognition.errors import RekognitionError
from handler.rekognition.names import COLLECTION_ID, USER_ID
from handler.search import names
from handler.search.catalog import Collections, open_collections
from handler.search.collection import Collection
from handler.search.find import candidates
from handler.search.scoring import Candidate, mean_vector
from handler.search.types import Face as Face
from handler.search.users import UserRecord, Users, loose_person, user_of
from model_layer.distance import distances
from model_layer.percent import PercentScale, scale_of

Vector = NDArray[np.float32]
Check = Callable[[], None]
Score = tuple[float, Face]
FACE_TOKEN = "[op][0-9a-f]{40}"  # noqa: S105 - of a page
FIRST_USERS = 64
# The mean of a person's faces, at least 0.7 long, may be nearer than the nearest of them: by this
# factor of the cosine.
SPREAD = 1.43


@dataclass(frozen=True)
class NewFace:
    """A face to index: `content` tells it from any other, `note` goes with it."""

    content: str
    vector: Vector
    box: tuple[float, float, float, float]
    external: str | None
    image: str
    confidence: float
    bounding_box: BoundingBox


@dataclass(frozen=True, eq=False)
class Gallery:
    """One collection, its users and the scale of likeness. Raises ApiError."""

    collection: Collection
    users: Users
    scale: PercentScale
    check: Check

    @property
    def model_version(self) -> str:
        """What FaceModelVersion says: the contract of the collection's embeddings."""
        return self.collection.record.contract

    def find(self, identifiers: Sequence[str]) -> dict[str, Face]:
        """The faces with these ids, by id."""
        tails = {tail: each for each in identifiers if (tail := ids.tail_of(each))}
        return {tails[tail]: face for tail, face in self.users.find(tails).items()}

    def add(self, faces: Sequence[NewFace]) -> list[Face]:
        """Indexes faces; one that is there, wherever it was moved, is left as it is."""
        made = [self._new(face) for face in faces]
        there = self.users.find(names.tail_of(face.key) for face in made)
        new = [face for face in made if names.tail_of(face.key) not in there]
        # Also those that are there: what a crash left undone is completed.
        self.collection.add([*there.values(), *new])
        return [there.get(names.tail_of(face.key), face) for face in made]

    def page(self, token: str | None, size: int) -> tuple[list[Face], str | None]:
        """Faces in a fixed order, and the token for the next page."""
        keys = list(islice(self._keys_after(ids.read_token(token, FACE_TOKEN)), size + 1))
        more = keys[size - 1] if len(keys) > size else None
        return self.collection.read_all(keys[:size]), more and _face_token(more)

    def remove(self, faces: Sequence[Face]) -> None:
        self.collection.delete_keys([face.key for face in faces])

    def matches(self, probe: Vector, least: float, most: int) -> list[Score]:
        """The faces at least so similar to `probe` (float32 [D]), most similar first."""
        scored = {}
        for candidate in candidates(self.collection, probe[None], most + 1, "best")[0]:
            for hit in candidate.faces:
                similarity = self.similarity(hit.distance)
                if similarity >= least:
                    scored[names.tail_of(hit.face.key)] = similarity, hit.face
        return sorted(scored.values(), key=lambda score: -score[0])[:most]

    def user_matches(self, probe: Vector, least: float, most: int) -> list[tuple[float, str]]:
        """The users at least so similar to `probe`, by the mean of their faces."""
        count = most + FIRST_USERS
        while True:
            found = candidates(self.collection, probe[None], count, "mean")[0]
            scored = [
                (similarity, candidate.person)
                for candidate in found
                if candidate.person is not None
                and is_user(candidate.person)
                and (similarity := self.similarity(candidate.distance)) >= least
            ]
            if len(scored) >= most or len(found) < count or self._is_past(found, least):
                return scored[:most]
            count *= 4

    def similarity(self, distance: float) -> float:
        return round(self.scale.percent(distance), PERCENT_DECIMALS)

    def likeness(self, face: Face, others: Sequence[Face]) -> float:
        """How similar a face is to the mean of others."""
        length = distances(face.vector[None], mean_vector(others)[None])[0, 0]
        return self.similarity(float(length))

    def give(self, face: Face, user: str) -> Face:
        """Makes a face a user's. Raises Timeout too."""
        self.check()
        return self.users.move(face, user)

    def release(self, face: Face) -> Face:
        """Takes a face from its user: it is loose again. Raises Timeout too."""
        self.check()
        return self.users.move(face, loose_person(names.tail_of(face.key)))

    def _new(self, face: NewFace) -> Face:
        tail = names.face_tail(f"{face.content}\n{face.external or ''}", self.model_version)
        person = loose_person(tail)
        group = names.person_group(person)
        box = face.bounding_box
        note = {
            "image": face.image,
            "confidence": face.confidence,
            "box": [box.width, box.height, box.left, box.top],
        }
        if face.external is not None:
            note["external"] = face.external
        key = names.face_key(group, names.group_digest(group) + tail)
        return Face(key, face.vector, person, box=face.box, note=note)

    def _keys_after(self, after: str | None) -> Iterator[str]:
        """Keys below the collection; after a face of which a token tells kind and id."""
        prefix = self.collection.record.prefix
        kind = names.OBJECTS if after and after[0] == "o" else names.PERSONS
        digest = after[1 : 1 + names.DIGEST] if after else ""
        start = f"{prefix}{kind}{digest}" if after else ""
        for listed in self.collection.truth.keys(prefix, start):
            key = listed[len(prefix) :]
            same = key.startswith(kind + digest) if after else False
            if not same or names.face_of_key(key) > (after or "")[1:]:
                yield key

    def _is_past(self, found: Sequence[Candidate], least: float) -> bool:
        """Whether nobody further away than all of `found` can be so similar."""
        nearest = max((each.faces[0].distance for each in found), default=0.0)
        return _cosine(nearest) * SPREAD < _cosine(self.scale.distance(least))


def collections_of(service: Service) -> Collections:
    """Raises CollectionNotFound where the function keeps none."""
    return open_collections(service.settings)


def profile_of(service: Service) -> EmbeddingProfile:
    """How faces of collections are embedded here."""
    return choose_profile(service.model, Options())


def create(service: Service, name: str) -> str | None:
    """Makes a collection; gives its contract, or None where there was one."""
    contract = profile_of(service).contract
    made = collections_of(service).create_new(name, contract, service.model.dimension)
    return contract if made else None


def delete(service: Service, name: str, invocation: Invocation) -> None:
    collections_of(service).delete(name, _check(service, invocation))


def described(service: Service, name: str, invocation: Invocation) -> tuple[Gallery, int]:
    """A collection, of whatever contract, and how many faces it holds."""
    gallery = _gallery(service, collections_of(service).open(name), invocation)
    return gallery, gallery.collection.gallery().faces


def page_of_names(service: Service, after: str | None, size: int) -> list[tuple[str, str]]:
    """Collections and their contracts, after one of them; those with names that we can say."""
    collections = collections_of(service)
    found = []
    for name in collections.names(after or ""):
        record = collections.record(name) if re.fullmatch(COLLECTION_ID, name) else None
        if record is not None:
            found.append((name, record.contract))
        if len(found) == size:
            break
    return found


def open_gallery(service: Service, name: str, invocation: Invocation) -> Gallery:
    """A collection to work with. Raises CollectionNotFound, and ModelMismatch."""
    collection = collections_of(service).open(name)
    collection.require_contract(profile_of(service).contract)
    return _gallery(service, collection, invocation)


def require_user(gallery: Gallery, user: str) -> UserRecord:
    """The user's record. Raises RekognitionError."""
    record = gallery.users.read(user)
    if record is None:
        raise RekognitionError("ResourceNotFoundException", "UserId: there is no such user.")
    return record


def is_user(person: str) -> bool:
    """Whether a person of ours has a name that a user can have."""
    return re.fullmatch(USER_ID, person) is not None


def shown(face: Face) -> IndexedFace:
    """A face of the collection as answers show it. Nothing is known of one enrolled elsewhere."""
    note = face.note or {}
    user = user_of(face)
    return IndexedFace.of(
        ids.face_id(names.tail_of(face.key)),
        box=note.get("box"),
        image=note.get("image"),
        external=note.get("external"),
        confidence=note.get("confidence"),
        user=user if user and is_user(user) else None,
    )


def mean_of(faces: Sequence[Face]) -> Vector:
    """The direction of the mean of the faces' vectors."""
    return mean_vector(faces)


def comes_from_a_bucket(face: Face) -> bool:
    """Whether a face follows an object of a bucket, and so cannot be moved."""
    return face.key.startswith(names.OBJECTS) or face.source is not None


def _gallery(service: Service, collection: Collection, invocation: Invocation) -> Gallery:
    scale = scale_of(service.model.manifest)
    return Gallery(collection, Users(collection), scale, _check(service, invocation))


def _cosine(distance: float) -> float:
    """Of two unit vectors so far apart."""
    return 1 - distance**2 / 2


def _face_token(key: str) -> str:
    return ids.make_token(key[0] + names.face_of_key(key))


def _check(service: Service, invocation: Invocation) -> Check:
    return partial(invocation.require_time, service.settings.limits.time_reserve_ms)
