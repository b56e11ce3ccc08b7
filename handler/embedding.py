"""Faces with chips in, faces with embeddings out; chips of several pictures share batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import align
from handler.call import Call
from handler.errors import ApiError
from handler.faces import Alignment, FoundFace, PictureFaces
from handler.requests import Options
from handler.settings import Settings
from model_layer.errors import ModelError
from model_layer.manifest import BoxAlignment, Manifest

# davidsandberg/facenet's margin for 160-pixel chips as the UAI example packs them.
UAI_MARGIN = 44


class Model(Protocol):
    """What the handler needs of `model_layer.Model`; tests bring their own."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def id(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(
        self, chips: NDArray[np.uint8], *, flip: bool = False, standardization: Any = None
    ) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Way:
    """How faces become embeddings: the model's own way, or the UAI example's."""

    alignment: Alignment
    standardization: str | None
    model_id: str
    flip: bool = False


def choose_way(model: Model, options: Options) -> Way:
    """How this request's faces become embeddings.

    Embeddings made the UAI way carry `+uai` in their model id, as they fit no others. Raises
    InvalidRequest for the profile `uai` with a model that has no such form.
    """
    own = model.manifest.alignment
    if options.profile != "uai":
        return Way(align.alignment_for(own.size, own.margin), None, model.id, options.flip)
    if not isinstance(own, BoxAlignment):
        raise ApiError(
            "InvalidRequest",
            f"profile: {model.id} is no FaceNet of the UAI example's form.",
            details={"field": "profile"},
        )
    alignment = align.BoxAlignment(own.size, UAI_MARGIN)
    return Way(alignment, "prewhiten", f"{model.id}+uai", options.flip)


@dataclass(frozen=True)
class Embedder:
    """Runs the model on chips, in batches, within the time."""

    model: Model
    settings: Settings

    def embed(self, pictures: Sequence[PictureFaces], way: Way, call: Call) -> list[PictureFaces]:
        """The pictures again, each face with its embedding instead of its chip.

        Raises Timeout and ModelUnavailable, as ApiError.
        """
        chips = [face.chip for picture in pictures for face in picture.faces]
        vectors = iter(self._embed_chips([chip for chip in chips if chip is not None], way, call))
        return [
            replace(picture, faces=tuple(_embedded(face, next(vectors)) for face in picture.faces))
            for picture in pictures
        ]

    def _embed_chips(
        self, chips: Sequence[NDArray[np.uint8]], way: Way, call: Call
    ) -> list[NDArray[np.float32]]:
        size = self.settings.chips_per_batch
        batches = [chips[start : start + size] for start in range(0, len(chips), size)]
        return [vector for batch in batches for vector in self._embed_batch(batch, way, call)]

    def _embed_batch(
        self, chips: Sequence[NDArray[np.uint8]], way: Way, call: Call
    ) -> NDArray[np.float32]:
        call.require_time(self.settings.limits.time_reserve_ms)
        with call.timed("embed"):
            try:
                vectors = self.model.embed(
                    np.stack(chips), flip=way.flip, standardization=way.standardization
                )
            except ModelError as failure:
                raise ApiError.from_library(failure) from failure
        if not np.isfinite(vectors).all():
            raise ApiError.internal()
        return vectors


def vectors_of(picture: PictureFaces) -> NDArray[np.float32]:
    """The embeddings of a picture's faces, float32 [N,D]."""
    return np.stack([face.embedding for face in picture.faces if face.embedding is not None])


def _embedded(face: FoundFace, vector: NDArray[np.float32]) -> FoundFace:
    return replace(face, embedding=vector, chip=None)
