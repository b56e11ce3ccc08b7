"""A network's own runtime, which every file that is written is compared with."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.distance import normalise
from tools.import_model.check_parity import reference

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Runtime:
    """name: for people. embed: standardized chips [N,S,S,3] -> unit vectors [N,D]."""

    name: str
    embed: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Feeding:
    """What the network itself takes: (x - mean) * scale of pixels from 0 to 255."""

    mean: tuple[float, ...]
    scale: float

    def pictures(self, chips: Floats) -> Floats:
        """Chips (x - 127.5) / 128 [N,S,S,3] as the network wants them, [N,3,S,S]."""
        pixels = chips * np.float32(128) + np.float32(127.5)
        fed = (pixels - np.asarray(self.mean, np.float32)) * np.float32(self.scale)
        return np.ascontiguousarray(fed.transpose(0, 3, 1, 2), np.float32)


def of_graph(graph: Any) -> Runtime:
    """TensorFlow itself."""
    return Runtime("TensorFlow", reference(graph))


def of_network(path: Path, converted: Any, feeding: Feeding) -> Runtime:
    """ONNX Runtime or OpenVINO on the file as it came; where that is not installed, TensorFlow on
    the converted graph, which checks less and is called so."""
    with contextlib.suppress(ImportError):
        run = _onnx(path) if path.suffix == ".onnx" else _openvino(path)
        name = "ONNX Runtime" if path.suffix == ".onnx" else "OpenVINO"
        return Runtime(name, lambda chips: _one_by_one(run, feeding.pictures(chips)))
    return Runtime(
        "TensorFlow on the converted graph (its own runtime is not installed)",
        reference(converted),
    )


def _one_by_one(run: Callable[[Floats], Floats], pictures: Floats) -> Floats:
    return normalise(np.stack([run(picture[None]).ravel() for picture in pictures]))


def _onnx(path: Path) -> Callable[[Floats], Floats]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]

    def run(picture: Floats) -> Floats:
        turned = picture.transpose(0, 2, 3, 1) if entry.shape[-1] == 3 else picture
        return np.asarray(session.run(None, {entry.name: turned})[0], np.float32)

    return run


def _openvino(path: Path) -> Callable[[Floats], Floats]:
    with contextlib.redirect_stdout(io.StringIO()):
        import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    compiled = openvino.Core().compile_model(str(path), "CPU", hints)
    last = compiled.input(0).get_shape()[-1]

    def run(picture: Floats) -> Floats:
        turned = picture.transpose(0, 2, 3, 1) if last == 3 else picture
        return np.asarray(compiled([np.ascontiguousarray(turned)])[0], np.float32)

    return run
