"""The network: SE-MobileFaceNet of face-reidentification-retail-0095, 128x128 pixels, 256 numbers.

A stem, a depthwise layer, fifteen inverted bottlenecks with squeeze-and-excitation, a 1x1 layer, a
depthwise layer over the whole 8x8 map and a linear one. There is no batch norm: the published
weights have it folded. The PReLUs have one slope a layer, which stays as published; slopes lie
between -7.9 and 7.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[np.float32]
Tensor = Any  # tf.Tensor, which has no types of its own

SIZE = 128
DIMENSION = 256


class Layer(NamedTuple):
    """A convolution and the slope of the PReLU behind it.

    kernel: float32[H,W,in,out], depthwise float32[H,W,channels,1]. bias: float32[out].
    slope: for negative outputs; None where nothing follows.
    """

    kernel: Array
    bias: Array
    slope: float | None = None


Weights = Mapping[str, Layer]


@dataclass(frozen=True)
class Block:
    """An inverted bottleneck; `expand`, `depthwise`, `project`, `squeeze`, `excite` follow `name`.

    stride: of the depthwise layer. residual: the block's input is added to its output.
    """

    name: str
    stride: int
    residual: bool

    def layer(self, part: str) -> str:
        return f"{self.name}/{part}"


PARTS = ("expand", "depthwise", "project", "squeeze", "excite")
# Blocks that halve the map (64 -> 32, 32 -> 16, 16 -> 8 cells a side), each with those behind it.
BLOCKS = tuple(
    Block(f"block{number:02}", 2 if number in (0, 5, 12) else 1, number not in (0, 5, 12))
    for number in range(15)
)
STEM, STEM_DEPTHWISE, TOP, POOL, EMBED = "stem", "stem_depthwise", "top", "pool", "embed"


def layer_names() -> Iterator[str]:
    """All layers in the order of computation."""
    yield from (STEM, STEM_DEPTHWISE)
    for block in BLOCKS:
        yield from map(block.layer, PARTS)
    yield from (TOP, POOL, EMBED)


class Operations(Protocol):
    """How layers are computed: plainly, or with the rounding of int8."""

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """Convolution, bias and PReLU."""

    def point(self, x: Tensor, name: str) -> Tensor:
        """The result of another operation, which int8 rounds as well."""


def embed(operations: Operations, chips: Tensor) -> Tensor:
    """Standardized chips float32[N,128,128,3], RGB -> float32[N,256], not normalized."""
    x = operations.layer(operations.point(chips, "input"), STEM, 2)
    x = operations.layer(x, STEM_DEPTHWISE)
    for block in BLOCKS:
        x = _bottleneck(operations, x, block)
    x = operations.layer(x, TOP)
    x = operations.layer(operations.layer(x, POOL), EMBED)
    return tf.reshape(x, (-1, DIMENSION))


def _bottleneck(operations: Operations, x: Tensor, block: Block) -> Tensor:
    y = operations.layer(x, block.layer("expand"))
    y = operations.layer(y, block.layer("depthwise"), block.stride)
    y = operations.layer(y, block.layer("project"))
    gate = operations.point(tf.reduce_mean(y, (1, 2), keepdims=True), block.layer("mean"))
    gate = operations.layer(gate, block.layer("squeeze"))
    gate = operations.point(tf.sigmoid(operations.layer(gate, block.layer("excite"))), GATE)
    y = operations.point(y * gate, block.layer("gated"))
    return operations.point(x + y, block.layer("sum")) if block.residual else y


# The published network pads with its mean colour: 82, 68, 64 of 255, here as one grey.
BORDER = (71.4 - 127.5) / 128
GATE = "gate"  # LiteRT fixes the range of a sigmoid: 0 to 255/256


def convolution(
    x: Tensor, kernel: Tensor, bias: Tensor, stride: int = 1, border: float = 0.0
) -> Tensor:
    """One layer without its PReLU: 3x3 kernels see a frame of one cell of `border` around x."""
    depthwise, padding = is_depthwise(kernel), "VALID"
    if kernel.shape[0] == 3 and stride == 1:
        padding = "SAME"
    elif kernel.shape[0] == 3:
        if border:  # XNNPACK takes no padding but zeros
            x, bias = x - border, bias + border * tf.reduce_sum(kernel, (0, 1, 2))
        # Sides are even: a frame's last row and column would never be read.
        x = tf.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    strides = (1, stride, stride, 1)
    if depthwise:
        return tf.nn.bias_add(tf.nn.depthwise_conv2d(x, kernel, strides, padding), bias)
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides, padding), bias)


def is_depthwise(kernel: Tensor) -> bool:
    """Whether float32[H,W,C,1] has a filter for each channel."""
    return bool(kernel.shape[0] > 1 and kernel.shape[3] == 1)


def prelu(x: Tensor, slope: float | None) -> Tensor:
    """Negative values times the slope."""
    return x if slope is None else tf.nn.leaky_relu(x, slope)


class Plain:
    """Operations of a network as it is, in the precision of its arrays."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        layer = self._weights[name]
        with tf.name_scope(name):
            border = BORDER if name == STEM else 0.0
            y = convolution(x, layer.kernel, layer.bias, stride, border)
            return prelu(y, layer.slope)

    def point(self, x: Tensor, name: str) -> Tensor:  # noqa: ARG002, others need it
        return x
