"""Rounding to int8 inside the training, as the exported file will round.

Kernels: symmetric, a scale for each output channel. Activations: asymmetric, one range for a
tensor, from the smallest to the largest value seen on calibration chips. Gradients pass as if
nothing had been rounded (straight through; Bengio et al. 2013, arXiv:1308.3432).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from training.network import (
    BORDER,
    GATE,
    STEM,
    Array,
    Layer,
    Plain,
    Tensor,
    Weights,
    convolution,
    embed,
    is_depthwise,
    prelu,
)

Bounds = Mapping[str, tuple[float, float]]
LARGEST = 127.0
# Ranges move a little while training goes on; the export measures them anew.
HEADROOM = 1.05


def round_kernel(kernel: Tensor) -> Tensor:
    """A kernel [H,W,in,out] or [H,W,channels,1] as int8 holds it; differentiable."""
    axes = (0, 1) if is_depthwise(kernel) else (0, 1, 2)
    step = tf.reduce_max(tf.abs(kernel), axes, keepdims=True) / LARGEST + 1e-12
    return kernel + tf.stop_gradient(tf.round(kernel / step) * step - kernel)


def round_values(x: Tensor, low: float, high: float) -> Tensor:
    """Activations as int8 holds them, clipped to the range; gradients pass unchanged."""

    def rounded(values: Tensor) -> tuple[Tensor, Tensor]:
        return tf.quantization.fake_quant_with_min_max_args(values, low, high), lambda up: up

    return tf.custom_gradient(rounded)(x)


class Rounded:
    """Operations of the network in int8, as far as float32 can show it.

    bounds: of every tensor; None rounds kernels alone.
    """

    def __init__(self, weights: Mapping[str, Layer], bounds: Bounds | None) -> None:
        self._weights = weights
        self._bounds = bounds

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        layer = self._weights[name]
        border = BORDER if name == STEM else 0.0
        y = convolution(x, round_kernel(layer.kernel), layer.bias, stride, border)
        return self.point(prelu(y, layer.slope), name)

    def point(self, x: Tensor, name: str) -> Tensor:
        if self._bounds is None:
            return x
        low, high = self._bounds[name]
        return round_values(x, low, high)


class Extremes(Plain):
    """Plain operations that note the smallest and largest value of each tensor."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.bounds: dict[str, tuple[float, float]] = {GATE: (0.0, 1.0)}

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return self._note(super().layer(x, name, stride), name)

    def point(self, x: Tensor, name: str) -> Tensor:
        return x if name == GATE else self._note(x, name)

    def _note(self, x: Tensor, name: str) -> Tensor:
        values = np.asarray(x)
        low, high = self.bounds.get(name, (0.0, 0.0))  # zero is always in an int8 range
        self.bounds[name] = (
            min(low, HEADROOM * float(values.min())),
            max(high, HEADROOM * float(values.max())),
        )
        return x


def measure_bounds(
    weights: Weights, chips: Array, batch: int = 32
) -> dict[str, tuple[float, float]]:
    """The range of every tensor on standardized chips float32[N,128,128,3]."""
    extremes = Extremes(weights)
    for start in range(0, len(chips), batch):
        embed(extremes, chips[start : start + batch])
    return extremes.bounds
