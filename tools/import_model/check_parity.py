"""Every file that was written, run on faces beside the source's own runtime."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import align
from model_layer.distance import normalise
from model_layer.engine import Engine
from model_layer.manifest import BoxAlignment, SimilarityAlignment, Standardization
from model_layer.standardize import standardize
from tools.import_model.errors import ImportFailed

# float32 arithmetic in another order; anything more is another function.
FLOAT32_TOLERANCE = 1e-4
# int8 keeps 0.98 and more on faces; what is far below tells faces apart less well.
LOWEST_COSINE = 0.95
PICTURES = Path(__file__).resolve().parents[2] / "events" / "pictures"
FORMATS = {".jpg", ".jpeg", ".png", ".webp"}
SYNTHETIC_CHIPS = 8

Floats = NDArray[np.float32]
Alignment = BoxAlignment | SimilarityAlignment


@dataclass(frozen=True)
class Chips:
    """Pictures to compare on, uint8 RGB [N,S,S,3], and what they are."""

    pixels: NDArray[np.uint8]
    description: str
    synthetic: bool = False


@dataclass(frozen=True)
class Parity:
    """How far one file is from the runtime: over all chips, of unit-length embeddings."""

    name: str
    bytes: int
    max_difference: float
    min_cosine: float


def read_chips(folder: Path, alignment: Alignment) -> Chips:
    """Every face of the pictures in `folder` and its mirror image, aligned as the model wants.

    Without pictures, seeded smooth noise: enough to compare arithmetic, and the table says so.
    """
    detector = align.Detector.load("fast")
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in FORMATS)
    chips = [chip for path in paths for chip in _faces(path, detector, alignment)]
    if not chips:
        return Chips(
            _synthetic(alignment.size),
            f"{SYNTHETIC_CHIPS} synthetic chips, no face found",
            synthetic=True,
        )
    both = np.stack([*chips, *(chip[:, ::-1] for chip in chips)])
    return Chips(both, f"{len(chips)} faces and their mirror images")


def _faces(path: Path, detector: Any, alignment: Alignment) -> list[NDArray[np.uint8]]:
    try:
        picture = align.decode(path.read_bytes())
    except align.AlignError as exc:
        raise ImportFailed(f"{path.name} of --faces cannot be read: {exc}") from exc
    target = align.alignment_for(alignment.size, alignment.margin, alignment.template)
    return [align.align(picture, face, target) for face in detector.detect(picture)]


def _synthetic(size: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (SYNTHETIC_CHIPS, 8, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(chip, (size, size)) for chip in coarse]).astype(np.uint8)


def reference(definition: Any) -> Callable[[Floats], Floats]:
    """TensorFlow itself, on a graph that still has its conditionals.

    The function takes standardized chips [N,S,S,3] to unit embeddings [N,D].
    """
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=graph)

    def embed(chips: Floats) -> Floats:
        rows = [session.run("embeddings:0", {"input:0": chip[None]}) for chip in chips]
        return normalise(np.concatenate(rows))

    return embed


def standardized(chips: Chips, standardization: Standardization, bgr: bool) -> NDArray[np.float32]:
    """The chips as the network wants them."""
    return standardize(chips.pixels[..., ::-1] if bgr else chips.pixels, standardization)


def compare(
    name: str,
    path: Path,
    engine: Engine,
    chips: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> Parity:
    """Runs one engine on the chips and measures it against the expected unit embeddings."""
    found = normalise(engine.embed(chips))
    return Parity(
        name,
        path.stat().st_size,
        float(np.abs(found - expected).max()),
        float((found * expected).sum(axis=1).min()),
    )


def table(rows: Sequence[Parity], description: str, runtime: str = "TensorFlow") -> str:
    """The parity table that an import ends with."""
    lines = [
        f"Parity with {runtime} on {description}:",
        f"{'file':<12}{'size':>12}{'max |diff|':>14}{'min cosine':>13}",
    ]
    lines += [
        f"{row.name:<12}{row.bytes / 1e6:>9.2f} MB"
        f"{row.max_difference:>14.2e}{row.min_cosine:>13.6f}"
        for row in rows
    ]
    return "\n".join(lines)


def deviating(rows: Sequence[Parity]) -> list[str]:
    """Names of files that differ from the runtime by more than their precision explains.

    A difference that is no number is too large.
    """
    return [row.name for row in rows if not _is_close(row)]


def _is_close(row: Parity) -> bool:
    exact = row.name in ("float32", "tensorflow")
    return row.min_cosine >= LOWEST_COSINE and (
        not exact or row.max_difference <= FLOAT32_TOLERANCE
    )
