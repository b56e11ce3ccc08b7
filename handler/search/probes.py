"""The images of an enrolment or a search: their faces, with vectors."""

import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from align import FaceRule
from handler.errors import ApiError
from handler.faces.embedding import EmbeddingProfile, vectors_of
from handler.faces.images import read_embedding
from handler.faces.quality import require_distinct
from handler.faces.requests import ImageObject, Options, Source
from handler.faces.service import Service, no_face
from handler.faces.types import FoundFace, PictureFaces
from handler.invocation import Invocation


@dataclass(frozen=True, eq=False)
class Probe:
    """One image of a request: its faces and their vectors (float32 [N,D], N >= 1).

    `picture` is None for an image given as an embedding. `content` tells its bytes from others'.
    """

    picture: PictureFaces | None
    vectors: NDArray[np.float32]
    content: str

    def face(self, index: int) -> FoundFace | None:
        return self.picture.faces[index] if self.picture else None

    def content_of(self, index: int, rule: FaceRule) -> str:
        """What tells a face from any other, however its picture's faces are ordered."""
        if self.picture is None or rule == "central":
            return f"{self.content}\n{rule if self.picture else ''}"
        areas = [_area(face) for face in self.picture.faces]
        larger = sum(area > areas[index] for area in areas) + areas[:index].count(areas[index])
        return f"{self.content}\n{larger}"


@dataclass(frozen=True)
class ProbeReader:
    """Reads images and embeds their faces, for one request."""

    service: Service
    profile: EmbeddingProfile
    options: Options
    rule: FaceRule
    invocation: Invocation

    def read(self, source: Source) -> Probe:
        """The faces of an image. Raises ApiError; FaceNotFound where there is none."""
        if isinstance(source, ImageObject) and source.embedding is not UNSET:
            return self._read_embedding(source)
        limits = self.service.settings.limits
        require_time = partial(self.invocation.require_time, limits.time_reserve_ms)
        with self.invocation.timed("read"):
            data = self.service.reader.read(source, require_time)
        found = self.service.finder.find(
            data, self.options, self.rule, self.profile.alignment, self.invocation
        )
        if not found.faces:
            raise no_face()
        embedded = self.service.embed_faces([found], self.profile, self.invocation)[0]
        if self.profile.calibrated:
            embedded = require_distinct(embedded, self.options.min_quality, self.rule)
        return Probe(embedded, vectors_of(embedded), hashlib.sha256(data).hexdigest())

    def _read_embedding(self, source: ImageObject) -> Probe:
        dimension = self.service.model.dimension
        vector = read_embedding(source, self.profile.contract, dimension)
        return Probe(None, vector[None], hashlib.sha256(vector.tobytes()).hexdigest())

    def read_image(self, index: int, source: Source) -> Probe:
        """As `read`; every error names the image."""
        try:
            return self.read(source)
        except ApiError as failure:
            raise failure.about_image(index) from failure


def _area(face: FoundFace) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
