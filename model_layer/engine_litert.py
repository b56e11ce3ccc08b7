"""The default engine: LiteRT, TensorFlow's own light runtime, on XNNPACK."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from model_layer.errors import ModelUnavailable

# Pictures in one call; more gain nothing and take memory.
MOST = 4
# What a file says of a dimension that it leaves open.
OPEN = -1


class LiteRTEngine:
    """A .tflite file: float32 [N,S,S,3] in, float32 [N,D] out.

    Pictures run in fours where the file leaves their number open, else one by one: see
    docs/decisions/engine.md. LiteRT checks a file's magic bytes, not its contents, and a damaged
    file can crash the process. Only the digest in the manifest protects against that, so trust a
    manifest as you trust code.
    """

    def __init__(self, path: Path, *, threads: int = 1, most: int = MOST) -> None:
        """Maps the file and prepares a call with one picture; `most` is how many a call may have.

        Raises ModelUnavailable for a bad file.
        """
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as exc:
            raise ModelUnavailable(
                f"model file {path.name} is not a LiteRT model", file=path.name
            ) from exc
        entry = self._interpreter.get_input_details()[0]
        self._input, self._shape = entry["index"], list(entry["shape"])
        self._most = most if entry["shape_signature"][0] == OPEN else 1
        self._output = self._interpreter.get_output_details()[0]["index"]

    def embed(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.embed`."""
        starts = range(0, len(chips), self._most)
        return np.concatenate([self._run(chips[start : start + self._most]) for start in starts])

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(batch) != self._shape[0]:
            self._shape[0] = len(batch)
            self._interpreter.resize_tensor_input(self._input, self._shape)
            self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)
