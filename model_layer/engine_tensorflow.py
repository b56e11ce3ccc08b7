"""The reference engine: TensorFlow itself. It takes seconds to load and gigabytes of memory, and
runs only where it is chosen.

A frozen graph (`.pb`, as tools/import_model writes it) runs in a TensorFlow session. A folder
without one still runs under TensorFlow, through the LiteRT interpreter that TensorFlow carries.
"""

import os
import warnings
from pathlib import Path

# TensorFlow reads this when it is imported; 2 silences its start-up notes, not its errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from model_layer.errors import ModelUnavailable

# The names that tools/import_model gives to the ends of every frozen graph.
INPUT_TENSOR = "input:0"
OUTPUT_TENSOR = "embeddings:0"
LITERT_MARK = b"TFL3"


class FrozenGraphEngine:
    """A frozen graph with `input:0` (float32 [N,S,S,3]) and `embeddings:0` (float32 [N,D])."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Parses the graph and opens a session with its own `threads` threads.

        Raises ModelUnavailable where the file is no graph, or a graph without these two names.
        """
        try:
            graph = _read_graph(path)
            self._session = tf.compat.v1.Session(graph=graph, config=_session_config(threads))
            self._run = self._session.make_callable(OUTPUT_TENSOR, feed_list=[INPUT_TENSOR])
        except (DecodeError, KeyError, ValueError) as exc:
            raise ModelUnavailable(
                f"model file {path.name} is not a frozen graph with {INPUT_TENSOR} and "
                f"{OUTPUT_TENSOR}",
                file=path.name,
            ) from exc

    def embed(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.embed`. Raises ValueError where the graph refuses the shape."""
        try:
            return np.asarray(self._run(chips), np.float32)
        except tf.errors.InvalidArgumentError as exc:
            raise ValueError(f"the graph does not accept chips of shape {chips.shape}") from exc


class TensorFlowLiteEngine:
    """A .tflite file under `tf.lite`, for folders that have no frozen graph."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Raises ModelUnavailable where the file is not a LiteRT model."""
        # TensorFlow follows the first offset of the file before it checks the magic bytes; in any
        # other file the offset points anywhere, which can cause a bus error.
        with path.open("rb") as file:
            if file.read(8)[4:] != LITERT_MARK:
                raise ModelUnavailable(
                    f"model file {path.name} is not a LiteRT model", file=path.name
                )
        try:
            with warnings.catch_warnings():
                # TensorFlow announces that its interpreter moved to ai-edge-litert.
                warnings.simplefilter("ignore")
                self._interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as exc:
            raise ModelUnavailable(
                f"model file {path.name} is not a LiteRT model", file=path.name
            ) from exc
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def embed(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.embed`."""
        return np.concatenate([self._run_one(chip[None]) for chip in chips])

    def _run_one(self, chip: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input, chip)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


def _read_graph(path: Path) -> tf.Graph:
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    return graph


def _session_config(threads: int) -> tf.compat.v1.ConfigProto:
    return tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=1,
        use_per_session_threads=True,
    )
