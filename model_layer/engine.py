"""What runs a network: a small protocol, and the choice between its two implementations."""

from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from model_layer.errors import ModelUnavailable
from model_layer.files import verify_file
from model_layer.manifest import FileKind, Manifest, Precision, WeightFile

EngineName = Literal["litert", "tensorflow"]


class Engine(Protocol):
    """A loaded network. One thread at a time."""

    def embed(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardized chips, float32 [N,S,S,3], N >= 1, to raw embeddings, float32 [N,D]."""
        ...


def open_engine(
    folder: Path, manifest: Manifest, name: EngineName, precision: Precision | None, threads: int
) -> tuple[Engine, FileKind, WeightFile]:
    """Verifies the weight file that this engine needs, loads it; the engine, which file, the file.

    Raises ModelUnavailable: unknown engine or precision, missing package, bad file.
    """
    known = get_args(EngineName)
    if name not in known:
        raise ModelUnavailable(f"unknown engine {name!r}; known: {', '.join(known)}", engine=name)
    kind = _choose_file(manifest, name, precision)
    entry = manifest.files[kind]
    path = verify_file(folder, entry)
    if name == "litert":
        from model_layer.engine_litert import LiteRTEngine

        return LiteRTEngine(path, threads=threads), kind, entry
    return _open_tensorflow(path, threads), kind, entry


def _choose_file(manifest: Manifest, engine: str, precision: Precision | None) -> FileKind:
    """TensorFlow runs the float32 graph; every precision has a LiteRT file."""
    if engine == "tensorflow":
        return _choose_graph(manifest, precision)
    wanted = precision or manifest.default_precision
    if wanted not in manifest.precisions:
        raise ModelUnavailable(
            f"model {manifest.id} has no {wanted} file; it has {', '.join(manifest.precisions)}",
            precision=wanted,
            available=list(manifest.precisions),
        )
    return wanted


def _choose_graph(manifest: Manifest, precision: Precision | None) -> FileKind:
    if precision not in (None, "float32"):
        raise ModelUnavailable(
            f"the tensorflow engine computes in float32, not {precision}; use the litert engine",
            precision=precision,
        )
    if "tensorflow" not in manifest.files:
        raise ModelUnavailable(
            f"model {manifest.id} has no frozen graph, which the tensorflow engine runs; import "
            "the model with one, or use the litert engine",
            engine="tensorflow",
        )
    return "tensorflow"


def _open_tensorflow(path: Path, threads: int) -> Engine:
    """Imported late: TensorFlow takes seconds to load and is not in the default image."""
    try:
        from model_layer.engine_tensorflow import FrozenGraphEngine
    except ImportError as exc:
        raise ModelUnavailable(
            "FACENET_ENGINE=tensorflow needs the tensorflow-cpu package; this image has none",
            engine="tensorflow",
        ) from exc
    return FrozenGraphEngine(path, threads=threads)
