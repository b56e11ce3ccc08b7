"""The three nets on LiteRT: files checked by digest, raw pixel values in, one array out."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from align.types import Floats

WEIGHTS = Path(__file__).parent / "weights"
DIGESTS = WEIGHTS / "digests.json"


class WeightsDamaged(RuntimeError):  # noqa: N818 - reads as what happened
    """A weight file is missing, or not the one that this version was released with."""


@cache
def read_weights(net: str) -> bytes:
    """The LiteRT file of "pnet", "rnet" or "onet", refused unless its SHA-256 is the listed one.

    Raises:
        WeightsDamaged: missing, or its digest differs.
    """
    entry = json.loads(DIGESTS.read_text())["files"][net]
    try:
        content = (WEIGHTS / entry["name"]).read_bytes()
    except OSError as error:
        raise WeightsDamaged(f"{entry['name']} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise WeightsDamaged(f"{entry['name']} does not have the listed SHA-256")
    return content


class Network:
    """One net with its input shape, resized only when the shape changes. Not thread-safe."""

    def __init__(self, net: str, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_content=read_weights(net), num_threads=threads)
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._shape: tuple[int, ...] = ()

    def __call__(self, pixels: Any) -> Floats:
        """Run on [N,H,W,3] pixel values 0..255 of any number type; float32 outputs, a copy."""
        self.resize(pixels.shape)
        self.buffer[...] = pixels
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)

    def resize(self, shape: tuple[int, ...]) -> None:
        """Prepare for inputs of this shape [N,H,W,3]."""
        if shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, shape)
            self._interpreter.allocate_tensors()
            self._shape = shape

    @property
    def buffer(self) -> Floats:
        """The net's own input memory; do not keep it beyond the next call."""
        view: Floats = self._interpreter.tensor(self._input)()
        return view
