"""Chips in, unit vectors out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_layer.contract import Profile, contract
from model_layer.distance import normalise
from model_layer.engine import Engine, EngineName, open_engine
from model_layer.errors import ModelUnavailable
from model_layer.files import find_model
from model_layer.manifest import (
    BoxAlignment,
    Manifest,
    Precision,
    SimilarityAlignment,
    Standardization,
    read_manifest,
)
from model_layer.standardize import standardize


@dataclass(frozen=True)
class Model:
    """A network and its manifest. It belongs to one thread: load one per thread or process.

    Nothing a caller can see changes after `load`. `sha256` and `precision` are those of the weight
    file in use.
    """

    manifest: Manifest
    engine: Engine
    sha256: str
    precision: Precision

    @property
    def id(self) -> str:
        """The model's name, for people. What may be compared is what has one `contract`."""
        return self.manifest.id

    def contract(
        self,
        *,
        alignment: BoxAlignment | SimilarityAlignment | None = None,
        standardization: Standardization | None = None,
        flip: bool = False,
        profile: Profile = "default",
    ) -> str:
        """`<id>@<digest>` of the embeddings made this way; see `model_layer.contract`."""
        return contract(
            self.manifest,
            self.sha256,
            self.precision,
            alignment=alignment,
            standardization=standardization,
            flip=flip,
            profile=profile,
        )

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.manifest.embedding.dimension

    @property
    def input_size(self) -> int:
        """Side of a chip in pixels."""
        return self.manifest.input.size

    def embed(
        self,
        chips: NDArray[np.uint8],
        *,
        flip: bool = False,
        standardization: Standardization | None = None,
    ) -> NDArray[np.float32]:
        """Embeds face chips: uint8 RGB [N,S,S,3], N >= 1 -> float32 [N,D] of unit length.

        `flip` takes the mean of each chip's embedding and its mirror image's. The manifest's mean
        vector, if any, is subtracted from the unit vectors, which are then scaled to unit length
        again (as `--subtract_mean` of davidsandberg/facenet's validation does). `standardization`
        overrides the manifest's; the mean was not measured that way, and is left out. Raises
        ValueError for another shape or dtype.
        """
        return self.embed_with_norms(chips, flip=flip, standardization=standardization)[0]

    def embed_with_norms(
        self,
        chips: NDArray[np.uint8],
        *,
        flip: bool = False,
        standardization: Standardization | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `embed`; and float32 [N], the network's own L2 norm of each, before it is scaled.

        Where the network does not normalise by itself, an unclear face has a small one. With
        `flip`, the smaller of the two.
        """
        self._check_chips(chips)
        chosen = standardization or self.manifest.input.standardization
        raw = self._run(chips, chosen)
        vectors, norms = normalise(raw), np.linalg.norm(raw, axis=1)
        if flip:
            mirrored = self._run(chips[:, :, ::-1], chosen)
            vectors = normalise(vectors + normalise(mirrored))
            norms = np.minimum(norms, np.linalg.norm(mirrored, axis=1))
        if not standardization:
            vectors = self._subtract_mean(vectors)
        return vectors, norms.astype(np.float32)

    def _check_chips(self, chips: NDArray[np.uint8]) -> None:
        expected = (self.input_size, self.input_size, 3)
        if chips.ndim != 4 or chips.shape[1:] != expected or not len(chips):
            raise ValueError(f"chips must have shape (N >= 1, *{expected}), not {chips.shape}")
        if chips.dtype != np.uint8:
            raise ValueError(f"chips must be uint8, not {chips.dtype}")

    def _run(
        self, chips: NDArray[np.uint8], standardization: Standardization
    ) -> NDArray[np.float32]:
        """What the network says, float32 [N,D] of any length."""
        ordered = chips[..., ::-1] if self.manifest.input.colour_order == "BGR" else chips
        return self.engine.embed(standardize(ordered, standardization))

    def _subtract_mean(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        mean = self.manifest.embedding.mean
        if mean is None:
            return vectors
        return normalise(vectors - np.asarray(mean, np.float32))


def load(
    name_or_folder: str | Path,
    *,
    engine: EngineName = "litert",
    precision: Precision | None = None,
    threads: int = 1,
) -> Model:
    """Loads a bundled model by id, or any model folder.

    `engine` is `litert` or `tensorflow`; `precision` defaults to the manifest's (for the
    TensorFlow engine: to the folder's float32 graph where there is one). Raises ModelUnavailable:
    no such model, a bad manifest, a file that is missing or whose size or SHA-256 differs, an
    engine that is not installed, or a network that does not do what the manifest says.

    >>> model = load("some-model")
    >>> vectors = model.embed(chips)
    """
    folder = find_model(name_or_folder)
    manifest = read_manifest(folder)
    loaded, kind, entry = open_engine(folder, manifest, engine, precision, threads)
    model = Model(manifest, loaded, entry.sha256, "float32" if kind == "tensorflow" else kind)
    _check_network(model, entry.name)
    return model


def _check_network(model: Model, file_name: str) -> None:
    """One inference on zeros: proves the input size and the dimension, and warms the engine."""
    size = model.input_size
    try:
        vectors = model.engine.embed(np.zeros((1, size, size, 3), np.float32))
    except (ValueError, RuntimeError) as exc:
        raise ModelUnavailable(
            f"model file {file_name} does not accept {size} x {size} chips", file=file_name
        ) from exc
    if vectors.shape != (1, model.dimension):
        raise ModelUnavailable(
            f"model file {file_name} yields embeddings of shape {vectors.shape}, not "
            f"(1, {model.dimension})",
            file=file_name,
        )
