"""The default engine: LiteRT, TensorFlow's own light runtime, on XNNPACK."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from model_layer.errors import ModelUnavailable


class LiteRTEngine:
    """A .tflite file: float32 [N,S,S,3] in, float32 [N,D] out.

    Pictures run one by one, which costs a few per cent and keeps memory constant: see
    docs/decisions/engine.md. LiteRT checks a file's magic bytes, not its contents, and a damaged
    file can crash the process. Only the digest in the manifest protects against that, so trust a
    manifest as you trust code.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Maps the file and prepares a batch of one. Raises ModelUnavailable for a bad file."""
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as exc:
            raise ModelUnavailable(
                f"model file {path.name} is not a LiteRT model", file=path.name
            ) from exc
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def embed(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.embed`."""
        return np.concatenate([self._run(chip[None]) for chip in chips])

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)
