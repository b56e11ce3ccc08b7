"""Inception-ResNet-v1 as davidsandberg/facenet trained it, for weights that come as plain arrays.

Topology: `src/models/inception_resnet_v1.py` of davidsandberg/facenet (MIT). Arrays are named
`<layer>_kernel` (HWIO), `<layer>_bias` and `<layer>_BatchNorm_{beta,moving_mean,moving_variance}`;
batch norm has no gamma.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

INPUT_SIZE = 160
BATCH_NORM_EPSILON = 1e-3
L2_EPSILON = 1e-10
RESIDUAL_SCALE = {"Block35": 0.17, "Block17": 0.10, "Block8": 0.20}

# The steps of each branch of a residual block.
BLOCK35 = [
    ["Conv2d_1x1"],
    ["Conv2d_0a_1x1", "Conv2d_0b_3x3"],
    ["Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3"],
]
BLOCK17 = [["Conv2d_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1"]]
BLOCK8 = [["Conv2d_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_1x3", "Conv2d_0c_3x1"]]

Arrays = Mapping[str, NDArray[np.float32]]


class Layers:
    """Makes the layers of the network out of named arrays.

    A subclass may make the same layers in another form (variables, training conditionals).
    """

    def __init__(self, arrays: Arrays) -> None:
        """Keeps the arrays; a missing one is a KeyError when its layer is made."""
        self.arrays = arrays

    def parameter(self, name: str) -> Any:
        """The array `name` as a tensor."""
        return tf.convert_to_tensor(self.arrays[name])

    def normalise(self, net: Any, layer: str) -> Any:
        """Batch norm with the moving statistics; `net` is [N,H,W,C]."""
        beta = self.parameter(f"{layer}_BatchNorm_beta")
        return tf.compat.v1.nn.fused_batch_norm(
            net,
            tf.ones_like(beta),
            beta,
            self.parameter(f"{layer}_BatchNorm_moving_mean"),
            self.parameter(f"{layer}_BatchNorm_moving_variance"),
            epsilon=BATCH_NORM_EPSILON,
            is_training=False,
        )[0]

    def conv(self, net: Any, layer: str, stride: int = 1, padding: str = "SAME") -> Any:
        """Convolution, batch norm, ReLU."""
        net = tf.nn.conv2d(net, self.parameter(f"{layer}_kernel"), stride, padding)
        return tf.nn.relu(self.normalise(net, layer))

    def project(self, net: Any, layer: str) -> Any:
        """1x1 convolution with bias: the way out of a residual block."""
        net = tf.nn.conv2d(net, self.parameter(f"{layer}_kernel"), 1, "SAME")
        return tf.nn.bias_add(net, self.parameter(f"{layer}_bias"))

    def bottleneck(self, net: Any) -> Any:
        """Dense layer with batch norm: [N,1792] -> [N,D]."""
        net = tf.matmul(net, self.parameter("Bottleneck_kernel"))
        return tf.nn.batch_normalization(
            net,
            self.parameter("Bottleneck_BatchNorm_moving_mean"),
            self.parameter("Bottleneck_BatchNorm_moving_variance"),
            self.parameter("Bottleneck_BatchNorm_beta"),
            None,
            BATCH_NORM_EPSILON,
        )

    def chain(self, net: Any, prefix: str, steps: Sequence[str]) -> Any:
        """Convolutions one after the other, `SAME` with stride 1."""
        for step in steps:
            net = self.conv(net, f"{prefix}_{step}")
        return net


def graph_of(arrays: Arrays, size: int = INPUT_SIZE) -> Any:
    """The GraphDef from `input:0` (float32 [N,size,size,3]) to `embeddings:0`.

    Raises KeyError for a missing array, ValueError for one that has another shape.
    """
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], name="input")
        embed(images, Layers(arrays))
    return graph.as_graph_def()


def embed(images: Any, layers: Layers) -> Any:
    """Standardized images [N,160,160,3] -> `embeddings`, unit vectors [N,D]."""
    net = _stem(images, layers)
    for index in range(1, 6):
        net = _block(net, layers, f"Block35_{index}", BLOCK35)
    net = _reduce_a(net, layers)
    for index in range(1, 11):
        net = _block(net, layers, f"Block17_{index}", BLOCK17)
    net = _reduce_b(net, layers)
    for index in range(1, 6):
        net = _block(net, layers, f"Block8_{index}", BLOCK8)
    net = _block(net, layers, "Block8_6", BLOCK8, scale=1.0, activate=False)
    net = layers.bottleneck(tf.reduce_mean(net, [1, 2]))
    return tf.nn.l2_normalize(net, 1, epsilon=L2_EPSILON, name="embeddings")


def _stem(net: Any, layers: Layers) -> Any:
    net = layers.conv(net, "Conv2d_1a_3x3", 2, "VALID")
    net = layers.conv(net, "Conv2d_2a_3x3", 1, "VALID")
    net = layers.conv(net, "Conv2d_2b_3x3")
    net = _max_pool(net)
    net = layers.conv(net, "Conv2d_3b_1x1", 1, "VALID")
    net = layers.conv(net, "Conv2d_4a_3x3", 1, "VALID")
    return layers.conv(net, "Conv2d_4b_3x3", 2, "VALID")


def _block(
    net: Any,
    layers: Layers,
    name: str,
    branches: Sequence[Sequence[str]],
    scale: float | None = None,
    activate: bool = True,
) -> Any:
    """A residual block: its branches side by side, projected, scaled and added to the input."""
    mixed = tf.concat(
        [layers.chain(net, f"{name}_Branch_{i}", steps) for i, steps in enumerate(branches)], 3
    )
    scale = RESIDUAL_SCALE[name.split("_")[0]] if scale is None else scale
    net = net + scale * layers.project(mixed, f"{name}_Conv2d_1x1")
    return tf.nn.relu(net) if activate else net


def _reduce_a(net: Any, layers: Layers) -> Any:
    second = layers.chain(net, "Mixed_6a_Branch_1", ["Conv2d_0a_1x1", "Conv2d_0b_3x3"])
    return tf.concat(
        [
            layers.conv(net, "Mixed_6a_Branch_0_Conv2d_1a_3x3", 2, "VALID"),
            layers.conv(second, "Mixed_6a_Branch_1_Conv2d_1a_3x3", 2, "VALID"),
            _max_pool(net),
        ],
        3,
    )


def _reduce_b(net: Any, layers: Layers) -> Any:
    ways_in = [["Conv2d_0a_1x1"], ["Conv2d_0a_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_3x3"]]
    branches = []
    for index, steps in enumerate(ways_in):
        prefix = f"Mixed_7a_Branch_{index}"
        branch = layers.chain(net, prefix, steps)
        branches.append(layers.conv(branch, f"{prefix}_Conv2d_1a_3x3", 2, "VALID"))
    return tf.concat([*branches, _max_pool(net)], 3)


def _max_pool(net: Any) -> Any:
    return tf.nn.max_pool2d(net, 3, 2, "VALID")
