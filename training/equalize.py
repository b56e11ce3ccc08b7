"""Cross-layer equalization: channels of one tensor get ranges that int8 can hold together.

A positive factor on a channel passes a PReLU, a residual addition and a gate, so that it can be
taken out of the layer before and put into the layer behind; the float network stays what it is
(Nagel et al. 2019, arXiv:1906.04721; here from the ranges of activations, as kernels are rounded
per channel anyway). Before a depthwise layer, whose kernels have a scale for each channel, ranges
are made equal; before a 1x1 layer, whose kernels would lose what activations gain, nearly so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.import_model.equalize import BEFORE_DEPTHWISE, BEFORE_OTHERS, channel_factors
from training.network import (
    BLOCKS,
    EMBED,
    GATE,
    POOL,
    STEM,
    STEM_DEPTHWISE,
    TOP,
    Array,
    Block,
    Layer,
    Plain,
    Tensor,
    Weights,
    embed,
    is_depthwise,
)

BATCH = 32


@dataclass(frozen=True)
class Tied:
    """Tensors that share their channels' factors.

    producers: layers whose outputs they are. points: other operations' results among them.
    consumers: layers that read them. exponent: 1 makes the ranges equal, 0 leaves them.
    """

    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    exponent: float
    points: tuple[str, ...] = ()


def ties() -> list[Tied]:
    """All tensors but the input, the gates and the embedding."""
    found = [
        Tied((STEM,), (STEM_DEPTHWISE,), BEFORE_DEPTHWISE),
        Tied((STEM_DEPTHWISE,), (BLOCKS[0].layer("expand"),), BEFORE_OTHERS),
        Tied((TOP,), (POOL,), BEFORE_DEPTHWISE),
        Tied((POOL,), (EMBED,), BEFORE_OTHERS),
    ]
    for block in BLOCKS:
        expand, depthwise, project = map(block.layer, ("expand", "depthwise", "project"))
        found.append(Tied((expand,), (depthwise,), BEFORE_DEPTHWISE))
        found.append(Tied((depthwise,), (project,), BEFORE_OTHERS))
    starts = [number for number, block in enumerate(BLOCKS) if not block.residual]
    ends = [*starts[1:], len(BLOCKS)]
    return found + [_stream(start, end) for start, end in zip(starts, ends, strict=True)]


def _stream(start: int, end: int) -> Tied:
    """The tensors that residual additions tie together, from one halving to the next."""
    inside: Sequence[Block] = BLOCKS[start:end]
    behind = BLOCKS[end].layer("expand") if end < len(BLOCKS) else TOP
    return Tied(
        producers=tuple(block.layer("project") for block in inside),
        consumers=(
            *(block.layer("squeeze") for block in inside),
            *(block.layer("expand") for block in inside[1:]),
            behind,
        ),
        exponent=BEFORE_OTHERS,
        points=tuple(
            block.layer(point)
            for block in inside
            for point in ("gated", "sum")
            if point == "gated" or block.residual
        ),
    )


def equalize(weights: Weights, chips: Array) -> dict[str, Layer]:
    """The same function with ranges that are alike. chips: float32[N,128,128,3], standardized."""
    ranges = Ranges(weights)
    for start in range(0, len(chips), BATCH):
        embed(ranges, chips[start : start + BATCH])
    result = dict(weights)
    for tied in ties():
        largest = np.max([ranges.largest[name] for name in (*tied.producers, *tied.points)], axis=0)
        factors = channel_factors(largest, tied.exponent)
        for name in tied.producers:
            result[name] = scale_outputs(result[name], np.float32(1) / factors)
        for name in tied.consumers:
            result[name] = scale_inputs(result[name], factors)
    return result


def scale_outputs(layer: Layer, factors: Array) -> Layer:
    """The layer with each output channel multiplied."""
    along = factors[:, None] if is_depthwise(layer.kernel) else factors
    return layer._replace(kernel=layer.kernel * along, bias=layer.bias * factors)


def scale_inputs(layer: Layer, factors: Array) -> Layer:
    """The layer for inputs that were divided by the factors."""
    return layer._replace(kernel=layer.kernel * factors[:, None])


class Ranges(Plain):
    """Plain operations that note the largest absolute value of each channel."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.largest: dict[str, Array] = {}

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return self._note(super().layer(x, name, stride), name)

    def point(self, x: Tensor, name: str) -> Tensor:
        return x if name == GATE else self._note(x, name)

    def _note(self, x: Tensor, name: str) -> Tensor:
        largest = np.abs(np.asarray(x)).max(axis=(0, 1, 2))
        self.largest[name] = np.maximum(largest, self.largest.get(name, 0.0))
        return x
