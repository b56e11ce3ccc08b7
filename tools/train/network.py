"""The student: a narrow Inception-ResNet-v1 without batch norm, written as a plain function.

The layout is that of Szegedy et al. 2016 (arXiv:1602.07261) as published in
davidsandberg/facenet; `Topology` says which blocks are there, the kernels say how wide. The same
function runs the full network (to learn from its activations), the student in training and the
student in the exported file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

Tensor = Any  # tensorflow ships no usable types
BLOCK35_SCALE = 0.17
BLOCK17_SCALE = 0.10
BLOCK8_SCALE = 0.20
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1")
HEAD = "head"
EMBEDDING_LAYER = "Bottleneck"  # of the published network


@dataclass(frozen=True)
class Topology:
    """Which repeated blocks a network has, by their original numbers."""

    block35: tuple[int, ...]
    block17: tuple[int, ...]
    block8: tuple[int, ...] = ()
    mixed_7a: bool = True

    @classmethod
    def of(cls, names: Iterable[str]) -> Topology:
        """Read the topology off the layer names of a network."""
        layers = set(names)
        return cls(
            block35=_numbers(layers, "Block35"),
            block17=_numbers(layers, "Block17"),
            block8=_numbers(layers, "Block8"),
            mixed_7a=any(name.startswith("Mixed_7a") for name in layers),
        )


def _numbers(names: set[str], kind: str) -> tuple[int, ...]:
    found = {match.group(1) for name in names if (match := re.match(rf"{kind}_(\d+)_", name))}
    return tuple(sorted(int(number) for number in found))


class Convolve(Protocol):
    """Applies the named layer; what it does besides (learn, narrow, count) is its own affair."""

    def __call__(
        self, x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor: ...


def convolution(layers: Callable[[str], tuple[Tensor, Tensor]]) -> Convolve:
    """A plain convolution with bias and ReLU over `layers(name) -> (kernel, bias)`."""

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        kernel, bias = layers(name)
        # The scope names the tensors of the exported file, so that its weights can be found again.
        with tf.name_scope(name):
            y = tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, padding), bias)
            return tf.nn.relu(y) if relu else y

    return convolve


def stem(convolve: Convolve, x: Tensor) -> Tensor:
    """[N,112,112,3] -> [N,26,26,80]: edges and blobs, the same for every face network."""
    x = convolve(x, "Conv2d_1a_3x3", 2, "VALID")
    x = convolve(x, "Conv2d_2a_3x3", 1, "VALID")
    x = convolve(x, "Conv2d_2b_3x3")
    x = pool(x)
    return convolve(x, "Conv2d_3b_1x1")


def trunk(convolve: Convolve, x: Tensor, topology: Topology) -> Tensor:
    """[N,26,26,80] -> the last feature map, before pooling."""
    x = convolve(x, "Conv2d_4a_3x3", 1, "VALID")
    x = convolve(x, "Conv2d_4b_3x3", 2, "VALID")
    for number in topology.block35:
        x = residual(convolve, x, f"Block35_{number}_", branches35, BLOCK35_SCALE)
    x = mixed_6a(convolve, x)
    for number in topology.block17:
        x = residual(convolve, x, f"Block17_{number}_", branches17, BLOCK17_SCALE)
    if topology.mixed_7a:
        x = mixed_7a(convolve, x)
    for number in topology.block8:
        x = residual(convolve, x, f"Block8_{number}_", branches8, BLOCK8_SCALE)
    return x


def pool(x: Tensor) -> Tensor:
    """3x3 maximum, stride 2, no padding."""
    return tf.nn.max_pool2d(x, 3, 2, "VALID")


def residual(
    convolve: Convolve, x: Tensor, block: str, branches: Callable[..., Tensor], scale: float
) -> Tensor:
    """One residual block: relu(x + scale * project(branches(x)))."""
    update = convolve(branches(convolve, x, block), block + "Conv2d_1x1", relu=False)
    return tf.nn.relu(x + scale * update)


def branches35(convolve: Convolve, x: Tensor, block: str) -> Tensor:
    """The three branches of a block35, concatenated."""
    first = convolve(x, block + "Branch_0_Conv2d_1x1")
    second = convolve(x, block + "Branch_1_Conv2d_0a_1x1")
    second = convolve(second, block + "Branch_1_Conv2d_0b_3x3")
    third = convolve(x, block + "Branch_2_Conv2d_0a_1x1")
    third = convolve(third, block + "Branch_2_Conv2d_0b_3x3")
    third = convolve(third, block + "Branch_2_Conv2d_0c_3x3")
    return tf.concat([first, second, third], 3)


def branches17(convolve: Convolve, x: Tensor, block: str) -> Tensor:
    """The two branches of a block17, concatenated."""
    first = convolve(x, block + "Branch_0_Conv2d_1x1")
    second = convolve(x, block + "Branch_1_Conv2d_0a_1x1")
    second = convolve(second, block + "Branch_1_Conv2d_0b_1x7")
    second = convolve(second, block + "Branch_1_Conv2d_0c_7x1")
    return tf.concat([first, second], 3)


def branches8(convolve: Convolve, x: Tensor, block: str) -> Tensor:
    """The two branches of a block8, concatenated."""
    first = convolve(x, block + "Branch_0_Conv2d_1x1")
    second = convolve(x, block + "Branch_1_Conv2d_0a_1x1")
    second = convolve(second, block + "Branch_1_Conv2d_0b_1x3")
    second = convolve(second, block + "Branch_1_Conv2d_0c_3x1")
    return tf.concat([first, second], 3)


def mixed_6a(convolve: Convolve, x: Tensor) -> Tensor:
    """Reduction from the block35 grid to the block17 grid."""
    name = "Mixed_6a_Branch_"
    first = convolve(x, name + "0_Conv2d_1a_3x3", 2, "VALID")
    second = convolve(x, name + "1_Conv2d_0a_1x1")
    second = convolve(second, name + "1_Conv2d_0b_3x3")
    second = convolve(second, name + "1_Conv2d_1a_3x3", 2, "VALID")
    return tf.concat([first, second, pool(x)], 3)


def mixed_7a(convolve: Convolve, x: Tensor) -> Tensor:
    """Reduction from the block17 grid to the last one."""
    name = "Mixed_7a_Branch_"
    first = convolve(x, name + "0_Conv2d_0a_1x1")
    first = convolve(first, name + "0_Conv2d_1a_3x3", 2, "VALID")
    second = convolve(x, name + "1_Conv2d_0a_1x1")
    second = convolve(second, name + "1_Conv2d_1a_3x3", 2, "VALID")
    third = convolve(x, name + "2_Conv2d_0a_1x1")
    third = convolve(third, name + "2_Conv2d_0b_3x3")
    third = convolve(third, name + "2_Conv2d_1a_3x3", 2, "VALID")
    return tf.concat([first, second, third, pool(x)], 3)


def features(convolve: Convolve, x: Tensor, topology: Topology, *, freeze_stem: bool) -> Tensor:
    """float32[N,112,112,3] standardized pictures -> float32[N,C] pooled features."""
    x = stem(convolve, x)
    if freeze_stem:
        x = tf.stop_gradient(x)
    return tf.reduce_mean(trunk(convolve, x, topology), (1, 2))


def dense(layers: Callable[[str], tuple[Tensor, Tensor]], name: str, x: Tensor) -> Tensor:
    """A fully connected layer: float32[N,in] -> float32[N,out]."""
    kernel, bias = layers(name)
    with tf.name_scope(name):
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def embed_full(weights: Mapping[str, tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """The published network: float32[N,160,160,3] standardized -> float32[N,512], not normalised.

    Its last block8 has scale 1 and no ReLU, unlike the others.
    """
    topology = Topology.of(weights)
    *repeated, last = topology.block8
    convolve = convolution(weights.__getitem__)
    shortened = Topology(topology.block35, topology.block17, tuple(repeated))
    x = trunk(convolve, stem(convolve, x), shortened)
    block = f"Block8_{last}_"
    x = x + convolve(branches8(convolve, x, block), block + "Conv2d_1x1", relu=False)
    return dense(weights.__getitem__, EMBEDDING_LAYER, tf.reduce_mean(x, (1, 2)))
