"""The model: embeds chips as unit vectors."""

from collections.abc import Sequence
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
    FileKind,
    Manifest,
    Precision,
    SimilarityAlignment,
    Standardization,
    read_manifest,
)
from model_layer.standardize import check_chip, standardize

# An L2 distance. Any other rounding within an int8 network moves its answer to the check chip: by
# up to 0.36 where a share of the chip's numbers changes by one grey level (bundled network;
# FaceNet 0.013; tests/arm64/comparison.py says why). Kernels that compute nonsense were 1.7 and
# 2.0 off (qemu's `-cpu max`), and two strangers are about 1.3 apart.
CHECK_TOLERANCE = 0.5


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
        raw = self.answer_raw(chips, chosen)
        vectors, norms = normalise(raw), np.linalg.norm(raw, axis=1)
        if flip:
            mirrored = self.answer_raw(chips[:, :, ::-1], chosen)
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

    def answer_raw(
        self, chips: NDArray[np.uint8], standardization: Standardization | None = None
    ) -> NDArray[np.float32]:
        """The network's raw output for chips, uint8 RGB [N,S,S,3] -> float32 [N,D] of any length.

        The manifest's `check` holds the first numbers of `normalise(answer_raw(check_chip))`.
        """
        ordered = chips[..., ::-1] if self.manifest.input.colour_order == "BGR" else chips
        return self.engine.embed(
            standardize(ordered, standardization or self.manifest.input.standardization)
        )

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

    `engine` is `litert` or `tensorflow`; `precision` defaults to the manifest's; the
    TensorFlow engine runs the folder's float32 graph and nothing else. Raises ModelUnavailable:
    no such model, a bad manifest, a file that is missing or whose size or SHA-256 differs, an
    engine that is not installed, or a network that does not do what the manifest says.

    >>> model = load("some-model")
    >>> vectors = model.embed(chips)
    """
    folder = find_model(name_or_folder)
    manifest = read_manifest(folder)
    loaded, kind, entry = open_engine(folder, manifest, engine, precision, threads)
    model = Model(manifest, loaded, entry.sha256, "float32" if kind == "tensorflow" else kind)
    _check_network(model, kind, entry.name)
    return model


def _check_network(model: Model, kind: FileKind, file_name: str) -> None:
    """One inference, of `check_chip`: proves size, dimension and answer, and warms the engine.

    Raises ModelUnavailable. Damaged weights, kernels that compute wrong results on this processor
    and a wrong standardization all yield unit vectors; no other check detects them.
    """
    size = model.input_size
    try:
        raw = model.answer_raw(check_chip(size)[None])
    except (ValueError, RuntimeError) as exc:
        raise ModelUnavailable(
            f"model file {file_name} does not accept {size} x {size} chips", file=file_name
        ) from exc
    if raw.shape != (1, model.dimension):
        raise ModelUnavailable(
            f"model file {file_name} yields embeddings of shape {raw.shape}, not "
            f"(1, {model.dimension})",
            file=file_name,
        )
    expected = model.manifest.check.get(kind)
    if expected and not deviation(normalise(raw)[0], expected) <= CHECK_TOLERANCE:
        raise ModelUnavailable(
            f"model file {file_name} gives a wrong embedding of the known check chip on this "
            "processor, so it would confuse faces; use another machine or another precision",
            file=file_name,
        )


def deviation(vector: NDArray[np.float32], expected: Sequence[float]) -> float:
    """How far a unit vector (float32 [D]) is from one of which only the first numbers are known.

    An L2 distance, estimated from these numbers for all D; NaN where the vector holds NaN.
    """
    known = np.asarray(expected, np.float64)
    squares = np.square(vector[: len(known)] - known)
    return float(np.sqrt(squares.mean() * len(vector)))
