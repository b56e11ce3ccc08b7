"""The faces of a request's picture, with reasons against some of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from handler.errors import ApiError
from handler.faces.answers import image_answer
from handler.faces.embedding import EmbeddingProfile, vectors_of
from handler.faces.quality import shortcomings
from handler.faces.requests import Options
from handler.faces.service import Service
from handler.faces.types import FoundFace, PictureFaces
from handler.invocation import Invocation
from handler.rekognition import ids
from handler.rekognition.answers import FaceDetail, face_detail
from handler.rekognition.errors import invalid
from handler.rekognition.faces import naming_images
from handler.rekognition.images import SHARES, Filter, Image

MOST_FACES = 100  # of one picture, the largest; Rekognition's own limit
TOO_MANY = "EXCEEDS_MAX_FACES"
LOW_QUALITY = "LOW_FACE_QUALITY"
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "too_small": "SMALL_BOUNDING_BOX",
        "blurred": "LOW_SHARPNESS",
        "too_dark": "LOW_BRIGHTNESS",
        "turned": "EXTREME_POSE",
        "low_score": "LOW_CONFIDENCE",
    }
)


@dataclass(frozen=True, eq=False)
class Seen:
    """A face of a picture: how answers show it, and why it is not used, if so.

    `rank` is its place among the picture's faces by area, the largest first.
    """

    found: FoundFace
    detail: FaceDetail
    rank: int
    reasons: tuple[str, ...] = ()
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class PictureReader:
    """Reads and judges pictures, for one request."""

    service: Service
    profile: EmbeddingProfile
    invocation: Invocation

    def read(self, image: Image, wanted: Filter) -> tuple[str, list[Seen]]:
        """The picture's SHA-256 and its faces, largest first, without vectors yet.

        Raises RekognitionError and ApiError.
        """
        source = image.source("Image")
        limits = self.service.settings.limits
        require_time = partial(self.invocation.require_time, limits.time_reserve_ms)
        with self.invocation.timed("read"):
            data = self.service.reader.read(source, require_time)
        found = self.service.finder.find(
            data, Options(face="all"), "all", self.profile.alignment, self.invocation
        )
        self.invocation.note(images=1, faces=len(found.faces))
        return hashlib.sha256(data).hexdigest(), _judged(found, SHARES[wanted])

    def embed(self, faces: Sequence[Seen], wanted: Filter) -> list[Seen]:
        """The faces with vectors; those that the model cannot tell apart get their reason."""
        if not faces:
            return []
        chips = PictureFaces(1, 1, tuple(face.found for face in faces))
        embedded = self.service.embed_faces([chips], self.profile, self.invocation)[0]
        made = zip(faces, embedded.faces, vectors_of(embedded), strict=True)
        return [
            replace(face, vector=vector, reasons=_indistinct(found, wanted))
            for face, found, vector in made
        ]


def largest_usable(faces: Sequence[Seen]) -> Seen:
    """The face that a search goes by. Raises RekognitionError where there is none."""
    usable = [face for face in faces if not face.reasons]
    if usable:
        return usable[0]
    if not faces:
        raise invalid("Image: No face was found in the picture.")
    named = sorted({reason for face in faces for reason in face.reasons})
    raise invalid(f"Image: no face has the quality that is asked for: {', '.join(named)}.")


def image_id(digest: str, external: str | None) -> str:
    """ImageId: the same picture and ExternalImageId always have the same."""
    return ids.image_id(hashlib.sha256(f"{digest}\n{external or ''}".encode()).hexdigest())


def about_image(failure: ApiError) -> ApiError:
    """The same error, which names the parameter."""
    return naming_images(failure.about_image(0), ("Image",))


def _judged(picture: PictureFaces, share: float | None) -> list[Seen]:
    details = image_answer(0, picture, None).faces
    order = sorted(range(len(details)), key=lambda index: -_area(picture.faces[index]))
    return [
        Seen(
            picture.faces[index],
            face_detail(details[index], picture.width, picture.height),
            rank,
            _reasons(picture.faces[index], share, rank),
        )
        for rank, index in enumerate(order)
    ]


def _reasons(face: FoundFace, share: float | None, rank: int) -> tuple[str, ...]:
    lacks = shortcomings(face, share) if share else []
    named = list(dict.fromkeys(REASONS.get(reason, LOW_QUALITY) for reason in lacks))
    return (*named, *([TOO_MANY] if rank >= MOST_FACES else []))


def _indistinct(found: FoundFace, wanted: Filter) -> tuple[str, ...]:
    indistinct = wanted != "NONE" and found.indistinct
    return (LOW_QUALITY,) if indistinct else ()


def _area(face: FoundFace) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
