"""Faces with chips in, faces with embeddings out; chips of several pictures share batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import align
from handler.errors import ApiError
from handler.faces.requests import Options
from handler.faces.types import Alignment, PictureFaces
from handler.invocation import Invocation
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
class EmbeddingProfile:
    """How faces become embeddings: the model's own way, or the UAI example's."""

    alignment: Alignment
    standardization: str | None
    model_id: str
    flip: bool = False


def choose_profile(model: Model, options: Options) -> EmbeddingProfile:
    """How this request's faces become embeddings.

    Embeddings made the UAI way carry `+uai` in their model id, as they fit no others. Raises
    InvalidRequest for the profile `uai` with a model that has no such form.
    """
    own = model.manifest.alignment
    if options.profile != "uai":
        alignment = align.alignment_for(own.size, own.margin, own.template)
        return EmbeddingProfile(alignment, None, model.id, options.flip)
    if not isinstance(own, BoxAlignment):
        raise ApiError(
            "InvalidRequest",
            f"profile: uai needs a FaceNet with box alignment, which {model.id} is not.",
            details={"field": "profile"},
        )
    box = align.BoxAlignment(own.size, UAI_MARGIN)
    return EmbeddingProfile(box, "prewhiten", f"{model.id}+uai", options.flip)


@dataclass(frozen=True)
class Embedder:
    """Runs the model on chips, in batches, within the time."""

    model: Model
    settings: Settings

    def embed(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> list[PictureFaces]:
        """The pictures again, each face with its embedding instead of its chip.

        Raises Timeout and ModelUnavailable, as ApiError.
        """
        vectors = self._vectors(pictures, profile, invocation)
        return [_embedded(picture, vectors) for picture in pictures]

    def embed_in_time(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> list[PictureFaces | ApiError]:
        """As `embed`, with a Timeout in the place of each picture that time did not reach."""
        vectors = self._vectors(pictures, profile, invocation)
        done: list[PictureFaces | ApiError] = []
        try:
            for picture in pictures:
                done.append(_embedded(picture, vectors))
        except ApiError as failure:
            if failure.code != "Timeout":
                raise
            done += [failure.untraced()] * (len(pictures) - len(done))
        return done

    def _vectors(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> Iterator[NDArray[np.float32]]:
        """One embedding after the other; a batch is computed when its first one is asked for."""
        faces = (face for picture in pictures for face in picture.faces)
        chips = [face.chip for face in faces if face.chip is not None]
        size = self.settings.chips_per_batch
        for start in range(0, len(chips), size):
            yield from self._embed_batch(chips[start : start + size], profile, invocation)

    def _embed_batch(
        self, chips: Sequence[NDArray[np.uint8]], profile: EmbeddingProfile, invocation: Invocation
    ) -> NDArray[np.float32]:
        invocation.require_time(self.settings.limits.time_reserve_ms)
        with invocation.timed("embed"):
            try:
                vectors = self.model.embed(
                    np.stack(chips), flip=profile.flip, standardization=profile.standardization
                )
            except ModelError as failure:
                raise ApiError.from_library(failure) from failure
        if not np.isfinite(vectors).all():
            raise ApiError.internal()
        return vectors


def vectors_of(picture: PictureFaces) -> NDArray[np.float32]:
    """The embeddings of a picture's faces, float32 [N,D]."""
    return np.stack([face.embedding for face in picture.faces if face.embedding is not None])


def _embedded(picture: PictureFaces, vectors: Iterator[NDArray[np.float32]]) -> PictureFaces:
    faces = [replace(face, embedding=next(vectors), chip=None) for face in picture.faces]
    return replace(picture, faces=tuple(faces))
