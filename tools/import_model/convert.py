"""LiteRT files out of a frozen graph, by TensorFlow's own converter.

The converter folds batch norm and scaling into the convolutions and fuses bias and ReLU with
them. The batch dimension stays open. Dynamic int8 quantizes the weights only, with one scale per
output channel; static int8 the activations too, in the ranges that they have on calibration chips.
"""

import warnings
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.lite.python.convert import ConverterError

from model_layer.manifest import Precision
from tools.import_model.errors import ImportFailed

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


def convert(
    definition: Any, precision: Precision, calibration: NDArray[np.float32] | None = None
) -> bytes:
    """The graph between `input:0` and `embeddings:0` as a .tflite file of this precision.

    calibration: standardized chips [N,S,S,3] make int8 static; float32 in and out in any case.
    Raises ImportFailed where the graph needs an op that LiteRT does not have.
    """
    function = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(definition, name=""), signature=[]
    ).prune("input:0", "embeddings:0")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if calibration is not None:
            converter.representative_dataset = lambda: ([chip[None]] for chip in calibration)
    try:
        with warnings.catch_warnings():
            # The converter's own path to int8 does not know that statistics come from the chips.
            warnings.filterwarnings("ignore", "Statistics for quantized inputs")
            return bytes(converter.convert())
    except ConverterError as exc:
        raise ImportFailed(f"LiteRT cannot run this graph: {exc}") from exc
