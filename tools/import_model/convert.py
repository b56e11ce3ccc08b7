"""LiteRT files out of a frozen graph, by TensorFlow's own converter.

The converter folds batch norm and scaling into the convolutions and fuses bias and ReLU with
them. The batch dimension stays open. int8 quantizes the weights only ("dynamic range"), with one
scale per output channel.
"""

from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from model_layer.manifest import Precision
from tools.import_model.errors import ImportFailed

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


def convert(definition: Any, precision: Precision) -> bytes:
    """The graph between `input:0` and `embeddings:0` as a .tflite file of this precision.

    Raises ImportFailed where the graph needs an op that LiteRT does not have.
    """
    function = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(definition, name=""), signature=[]
    ).prune("input:0", "embeddings:0")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        return bytes(converter.convert())
    except ConverterError as exc:
        raise ImportFailed(f"LiteRT cannot run this graph: {exc}") from exc
