"""Layer weights as plain arrays: read, fold, save.

A network is a mapping from layer name to kernel and bias. Names are those of the published
Inception-ResNet-v1 scopes joined with "_", e.g. `Block17_5_Branch_1_Conv2d_0b_1x7`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
BATCH_NORM_EPSILON = 1e-3  # slim's setting in davidsandberg/facenet; there is no gamma


class Layer(NamedTuple):
    """One convolution or fully connected layer, batch norm folded in.

    kernel: float32[H,W,in,out] or float32[in,out]; bias: float32[out].
    """

    kernel: Array
    bias: Array


Weights = Mapping[str, Layer]


def load_facenet(path: Path) -> dict[str, Layer]:
    """Read the arrays of a published Inception-ResNet-v1 and fold batch norm into them.

    path: an .npz with `<layer>_kernel` and either `<layer>_bias` or
    `<layer>_BatchNorm_{beta,moving_mean,moving_variance}`. Raises KeyError when one is missing.
    """
    with np.load(path) as arrays:
        suffix = "_kernel"
        names = [key.removesuffix(suffix) for key in arrays.files if key.endswith(suffix)]
        return {name: _folded(arrays, name) for name in names}


def _folded(arrays: Mapping[str, Array], name: str) -> Layer:
    kernel = arrays[f"{name}_kernel"]
    if f"{name}_bias" in arrays:
        return _layer(kernel, arrays[f"{name}_bias"])
    norm = f"{name}_BatchNorm_"
    scale = 1.0 / np.sqrt(arrays[norm + "moving_variance"] + BATCH_NORM_EPSILON)
    return _layer(kernel * scale, arrays[norm + "beta"] - arrays[norm + "moving_mean"] * scale)


def _layer(kernel: npt.ArrayLike, bias: npt.ArrayLike) -> Layer:
    return Layer(np.asarray(kernel, np.float32), np.asarray(bias, np.float32))


def mixed(start: Weights, end: Weights, share: float) -> dict[str, Layer]:
    """`share` of the end's weights and the rest of the start's, layer by layer.

    What is learned under new augmentation stays, and of what was known before less is lost than at
    the end itself (Wortsman et al. 2022, arXiv:2109.01903). Raises KeyError where a layer of the
    end is not in the start.
    """
    return {
        name: Layer(
            *(old + share * (new - old) for old, new in zip(start[name], layer, strict=True))
        )
        for name, layer in end.items()
    }


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights as an .npz of `<layer>/kernel` and `<layer>/bias`."""
    arrays = {
        f"{name}/{part}": value
        for name, layer in weights.items()
        for part, value in layer._asdict().items()
    }
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def load_weights(path: Path) -> dict[str, Layer]:
    """Read what `save_weights` wrote."""
    with np.load(path) as arrays:
        names = [key.removesuffix("/kernel") for key in arrays.files if key.endswith("/kernel")]
        return {name: _layer(arrays[f"{name}/kernel"], arrays[f"{name}/bias"]) for name in names}


def parameter_count(weights: Weights) -> int:
    """Number of trainable values."""
    return sum(layer.kernel.size + layer.bias.size for layer in weights.values())
