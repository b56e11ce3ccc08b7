"""Makes the toy network of these tests: the mean over the chip of a 3x3 convolution.

python -m tests.unit.model_layer.make_toy     # needs TensorFlow
"""

import numpy as np
import tensorflow as tf

from tests.unit.model_layer.conftest import DIMENSION, SIZE, TOY


def make() -> dict[str, bytes]:
    """The same network as a .tflite file and as a frozen graph."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, DIMENSION)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        chips = tf.compat.v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], name="input")
        net = tf.nn.relu(tf.nn.conv2d(chips, kernel, 2, "SAME"))
        tf.reduce_mean(net, [1, 2], name="embeddings")
    definition = graph.as_graph_def()
    function = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(definition, name=""), signature=[]
    ).prune("input:0", "embeddings:0")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    return {"int8.tflite": converter.convert(), "tensorflow.pb": definition.SerializeToString()}


if __name__ == "__main__":
    TOY.mkdir(exist_ok=True)
    for name, content in make().items():
        (TOY / name).write_bytes(content)
