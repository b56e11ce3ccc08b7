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
from model_layer.contract import Profile
from model_layer.errors import ModelError
from model_layer.manifest import BoxAlignment, Manifest

# davidsandberg/facenet's margin for 160-pixel chips as the UAI example packs them.
UAI_MARGIN = 44
# An embedding float32 [D], and whether the model cannot tell its face apart.
Embedded = tuple[NDArray[np.float32], bool]


class Model(Protocol):
    """The part of `model_layer.Model` that the handler uses; tests substitute their own."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def id(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed_with_norms(
        self, chips: NDArray[np.uint8], *, flip: bool = False, standardization: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

    def contract(
        self,
        *,
        alignment: Any = None,
        standardization: Any = None,
        flip: bool = False,
        profile: Profile = "default",
    ) -> str: ...


@dataclass(frozen=True)
class EmbeddingProfile:
    """How faces become embeddings: the model's own way, or the UAI example's.

    Embeddings are compared where their `contract` is the same. `calibrated` says whether the
    model's measured rates, similarity and refusal hold for them.
    """

    alignment: Alignment
    standardization: str | None
    model_id: str
    contract: str
    flip: bool = False
    calibrated: bool = True


def choose_profile(model: Model, options: Options) -> EmbeddingProfile:
    """How this request's faces become embeddings.

    Embeddings made the UAI way carry `+uai` in their model id, as they fit no others. Raises
    InvalidRequest for the profile `uai` with a model that has no such form.
    """
    own = model.manifest.alignment
    if options.profile != "uai":
        alignment = align.alignment_for(own.size, own.margin, own.template)
        contract = model.contract(flip=options.flip)
        return EmbeddingProfile(alignment, None, model.id, contract, options.flip)
    if not isinstance(own, BoxAlignment):
        raise ApiError(
            "InvalidRequest",
            f"profile: uai needs a model with box alignment; {model.id} is aligned by landmarks.",
            details={"field": "profile"},
        )
    contract = model.contract(
        alignment=BoxAlignment(size=own.size, margin=UAI_MARGIN),
        standardization="prewhiten",
        flip=options.flip,
        profile="uai",
    )
    box = align.BoxAlignment(own.size, UAI_MARGIN)
    name = f"{model.id}+uai"
    return EmbeddingProfile(box, "prewhiten", name, contract, options.flip, calibrated=False)


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
        return [_add_embeddings(picture, vectors) for picture in pictures]

    def embed_in_time(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> list[PictureFaces | ApiError]:
        """As `embed`, with a Timeout in place of each picture that was not reached in time."""
        vectors = self._vectors(pictures, profile, invocation)
        done: list[PictureFaces | ApiError] = []
        try:
            for picture in pictures:
                done.append(_add_embeddings(picture, vectors))
        except ApiError as failure:
            if failure.code != "Timeout":
                raise
            done += [failure.without_traceback()] * (len(pictures) - len(done))
        return done

    def _vectors(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> Iterator[Embedded]:
        """One embedding after the other; a batch is computed when its first one is asked for."""
        faces = (face for picture in pictures for face in picture.faces)
        chips = [face.chip for face in faces if face.chip is not None]
        size = self.settings.chips_per_batch
        for start in range(0, len(chips), size):
            yield from self._embed_batch(chips[start : start + size], profile, invocation)

    def _embed_batch(
        self, chips: Sequence[NDArray[np.uint8]], profile: EmbeddingProfile, invocation: Invocation
    ) -> Iterator[Embedded]:
        invocation.require_time(self.settings.limits.time_reserve_ms)
        with invocation.timed("embed"):
            try:
                vectors, norms = self.model.embed_with_norms(
                    np.stack(chips), flip=profile.flip, standardization=profile.standardization
                )
            except ModelError as failure:
                raise ApiError.from_library(failure) from failure
        if not np.isfinite(vectors).all():
            raise ApiError.internal()
        refusal = self.model.manifest.refusal if profile.calibrated else None
        indistinct = [False] * len(vectors)
        if refusal is not None:
            indistinct = refusal.refuses(vectors, norms).tolist()
        return zip(vectors, indistinct, strict=True)


def vectors_of(picture: PictureFaces) -> NDArray[np.float32]:
    """The embeddings of a picture's faces, float32 [N,D]."""
    return np.stack([face.embedding for face in picture.faces if face.embedding is not None])


def _add_embeddings(picture: PictureFaces, vectors: Iterator[Embedded]) -> PictureFaces:
    faces = []
    for face in picture.faces:
        vector, indistinct = next(vectors)
        faces.append(replace(face, embedding=vector, chip=None, indistinct=indistinct))
    return replace(picture, faces=tuple(faces))
