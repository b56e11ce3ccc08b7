"""The reference engine: TensorFlow itself. It takes seconds to load and gigabytes of memory, and
runs only where it is chosen.

It runs a frozen graph (`.pb`, as tools/import_model writes it) in a TensorFlow session.
"""

import os
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
