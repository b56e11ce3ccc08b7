"""A TensorFlow graph out of a `Network`: pictures [N,S,S,3] in, `embeddings` [N,D] out.

Inside, tensors of four dimensions are [N,H,W,C], as TensorFlow and LiteRT want them; an operation
on [N,C,H,W] that is not about channels (flatten, reshape) sees them turned back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tools.import_model.errors import ImportFailed
from tools.import_model.network import Network, Operation, channels

Tensor = Any


def build_graph(network: Network) -> Any:
    """GraphDef from `input:0` (float32 [N,S,S,3], standardized) to `embeddings:0` ([N,D]).

    Raises ImportFailed where an operation is used in a way that face networks do not need.
    """
    with tf.Graph().as_default() as graph:
        size = network.size
        images = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], name="input")
        vectors = compute(network, images)[network.output]
        dimension = int(np.prod(network.shapes[network.output]))
        tf.reshape(vectors, [-1, dimension], name="embeddings")
    return graph.as_graph_def()


def compute(network: Network, images: Tensor) -> dict[str, Tensor]:
    """Every tensor of the network by name."""
    values = {network.input: images}
    for op in network.operations:
        try:
            values[op.output] = _Builder(network, op, values).build()
        except (ValueError, KeyError, tf.errors.OpError) as exc:
            raise ImportFailed(
                f"the operation {op.kind} ({op.output}) cannot be converted: {exc}"
            ) from exc
    return values


class _Builder:
    """One operation of the network, as TensorFlow."""

    def __init__(self, network: Network, op: Operation, values: Mapping[str, Tensor]) -> None:
        self.network, self.op, self.values = network, op, values

    def build(self) -> Tensor:
        return BUILDERS[self.op.kind](self)

    def data(self, index: int = 0) -> Tensor:
        name = self.op.inputs[index]
        if name not in self.values:
            raise ValueError("an input is a constant where a tensor is needed")
        return self.values[name]

    def shape(self, index: int = 0) -> tuple[int, ...]:
        return self.network.shapes[self.op.inputs[index]]

    def get(self, name: str, default: Any) -> Any:
        return self.op.attributes.get(name, default)

    def operand(self, index: int) -> Tensor:
        """An input of Add or Mul: a tensor, or numbers per channel."""
        name = self.op.inputs[index]
        if name in self.values:
            return self.values[name]
        numbers = channels(self.network.constants[name], self.network.shapes[self.op.output])
        if numbers is None:
            raise ValueError("a constant has more than one number per channel")
        return tf.constant(numbers)  # channels are last here

    def convolve(self) -> Tensor:
        kernel = self.network.constants[self.op.inputs[1]]
        groups = self.get("group", 1)
        x, strides = self.padded(kernel.shape[2:]), (1, *self.get("strides", [1, 1]), 1)
        dilations = self.get("dilations", [1, 1])
        if groups == 1:
            turned = tf.constant(kernel.transpose(2, 3, 1, 0))
            y = tf.nn.conv2d(x[0], turned, strides, x[1], dilations=dilations)
        elif kernel.shape[1] == 1 and groups == self.shape()[1]:
            turned = kernel.reshape(groups, -1, *kernel.shape[2:]).transpose(2, 3, 0, 1)
            y = tf.nn.depthwise_conv2d(
                x[0], tf.constant(turned), strides, x[1], dilations=dilations
            )
        else:
            raise ValueError(f"{groups} groups that are neither one nor as many as channels")
        if len(self.op.inputs) > 2:
            y = tf.nn.bias_add(y, tf.constant(self.network.constants[self.op.inputs[2]].ravel()))
        return y

    def padded(self, window: tuple[int, ...], fill: float = 0.0) -> tuple[Tensor, str]:
        """The input and the padding that remains to be done: SAME where that is the same."""
        x, pads = self.data(), list(self.get("pads", [0, 0, 0, 0]))
        strides, sides = self.get("strides", [1, 1]), self.shape()[2:]
        spans = [
            (side - 1) * dilation + 1
            for side, dilation in zip(window, self.get("dilations", [1, 1]), strict=True)
        ]
        if (
            not fill
            and strides == [1, 1]
            and all(pads[i] == pads[i + 2] == (spans[i] - 1) // 2 and spans[i] % 2 for i in (0, 1))
        ):
            return x, "SAME"
        for i in (0, 1):  # rows and columns that no window reaches
            pads[i + 2] = max(
                0, pads[i + 2] - (sides[i] + pads[i] + pads[i + 2] - spans[i]) % strides[i]
            )
        if any(pads):
            frame = [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]]
            x = tf.pad(x, frame, constant_values=fill)
        return x, "VALID"

    def pool(self) -> Tensor:
        window = list(self.get("kernel_shape", []))
        if self.get("ceil_mode", 0) and self.network.shapes[self.op.output][2:] != self._floors(
            window
        ):
            raise ValueError("windows that reach beyond the picture (ceil_mode)")
        strides = list(self.get("strides", [1, 1]))
        if self.op.kind == "MaxPool":
            x, padding = self.padded(
                tuple(window), float("-inf") if any(self.get("pads", [])) else 0.0
            )
            return tf.nn.max_pool2d(x, window, strides, padding)
        if window == list(self.shape()[2:]) and not any(self.get("pads", [])):
            return tf.reduce_mean(self.data(), (1, 2), keepdims=True)
        if any(self.get("pads", [])) and not self.get("count_include_pad", 0):
            raise ValueError("an average over a padded picture without its padding")
        x, padding = self.padded(tuple(window))
        return tf.nn.avg_pool2d(x, window, strides, padding)

    def _floors(self, window: list[int]) -> tuple[int, ...]:
        pads, strides = self.get("pads", [0] * 4), self.get("strides", [1, 1])
        return tuple(
            (side + pads[i] + pads[i + 2] - window[i]) // strides[i] + 1
            for i, side in enumerate(self.shape()[2:])
        )

    def mean(self) -> Tensor:
        if self.op.kind == "ReduceMean":
            axes = sorted(axis % len(self.shape()) for axis in self.get("axes", []))
            if axes != [2, 3] or len(self.shape()) != 4:
                raise ValueError("a mean that is not over the whole picture")
            return tf.reduce_mean(self.data(), (1, 2), keepdims=bool(self.get("keepdims", 1)))
        return tf.reduce_mean(self.data(), (1, 2), keepdims=True)

    def prelu(self) -> Tensor:
        slope = channels(self.network.constants[self.op.inputs[1]], self.shape())
        if slope is None and self.network.constants[self.op.inputs[1]].size == self.shape()[1]:
            slope = self.network.constants[self.op.inputs[1]].ravel()  # OpenVINO's [C]
        if slope is None:
            raise ValueError("more than one slope per channel")
        x = self.data()
        if slope.size == 1:
            return tf.nn.leaky_relu(x, float(slope[0]))
        if len(self.shape()) == 4:
            slope = slope.reshape(1, 1, -1)  # as the converter's own PRELU has it
        return tf.nn.relu(x) + (-tf.constant(slope)) * tf.nn.relu(-x)

    def dense(self) -> Tensor:
        kernel = self.network.constants[self.op.inputs[1]]
        y = tf.matmul(self.plain(), tf.constant(kernel))
        if len(self.op.inputs) > 2:
            y = tf.nn.bias_add(y, tf.constant(self.network.constants[self.op.inputs[2]].ravel()))
        return y

    def plain(self) -> Tensor:
        """The input in the source's order of dimensions."""
        x, shape = self.data(), self.shape()
        return tf.transpose(x, (0, 3, 1, 2)) if len(shape) == 4 and max(shape[2:]) > 1 else x

    def reshape(self) -> Tensor:
        """To the shape that is known of the output; the batch is its first dimension."""
        shape = self.network.shapes[self.op.output]
        if shape[0] != 1:
            raise ValueError(f"a shape, {list(shape)}, that does not begin with the batch")
        y = tf.reshape(self.plain(), (-1, *shape[1:]))
        return tf.transpose(y, (0, 2, 3, 1)) if len(shape) == 4 else y

    def transpose(self) -> Tensor:
        shape, wanted = self.shape(), self.network.shapes[self.op.output]
        moving = [side for side in shape if side > 1] == [side for side in wanted if side > 1]
        if not moving or max(shape[1:]) != int(np.prod(shape)):
            raise ValueError("dimensions change places")
        return self.reshape()

    def concat(self) -> Tensor:
        if self.get("axis", 1) % len(self.shape()) != 1:
            raise ValueError("tensors are joined along another dimension than channels")
        return tf.concat([self.data(i) for i in range(len(self.op.inputs))], -1)

    def pad(self) -> Tensor:
        pads = self.get("pads", [])
        if len(self.shape()) != 4 or any(pads[i] for i in (0, 1, 4, 5)):
            raise ValueError("another padding than around the picture")
        frame = [[0, 0], [pads[2], pads[6]], [pads[3], pads[7]], [0, 0]]
        return tf.pad(self.data(), frame, constant_values=self.get("value", 0.0))

    def clip(self) -> Tensor:
        low, high = self.get("min", float("-inf")), self.get("max", float("inf"))
        if (low, high) == (0.0, 6.0):
            return tf.nn.relu6(self.data())
        return tf.clip_by_value(self.data(), low, high)

    def hard_sigmoid(self) -> Tensor:
        alpha, beta = self.get("alpha", 0.2), self.get("beta", 0.5)
        return tf.clip_by_value(alpha * self.data() + beta, 0.0, 1.0)

    def hard_swish(self) -> Tensor:
        return self.data() * tf.nn.relu6(self.data() + 3.0) * (1 / 6)

    def normalize(self) -> Tensor:
        return tf.nn.l2_normalize(self.data(), -1, epsilon=1e-12)


BUILDERS: dict[str, Callable[[_Builder], Tensor]] = {
    "Conv": _Builder.convolve,
    "Dense": _Builder.dense,
    "Add": lambda op: op.operand(0) + op.operand(1),
    "Mul": lambda op: op.operand(0) * op.operand(1),
    "Relu": lambda op: tf.nn.relu(op.data()),
    "LeakyRelu": lambda op: tf.nn.leaky_relu(op.data(), op.get("alpha", 0.01)),
    "PRelu": _Builder.prelu,
    "Sigmoid": lambda op: tf.sigmoid(op.data()),
    "Tanh": lambda op: tf.tanh(op.data()),
    "Clip": _Builder.clip,
    "HardSigmoid": _Builder.hard_sigmoid,
    "HardSwish": _Builder.hard_swish,
    "GlobalAveragePool": _Builder.mean,
    "ReduceMean": _Builder.mean,
    "AveragePool": _Builder.pool,
    "MaxPool": _Builder.pool,
    "Flatten": _Builder.reshape,
    "Reshape": _Builder.reshape,
    "Squeeze": _Builder.reshape,
    "Unsqueeze": _Builder.reshape,
    "Transpose": _Builder.transpose,
    "Concat": _Builder.concat,
    "Pad": _Builder.pad,
    "LpNormalization": _Builder.normalize,
}
