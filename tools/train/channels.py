"""Which channels of the full network the student keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tools.train import network
from tools.train.augment import SIZE
from tools.train.network import Tensor, Topology, convolution
from tools.train.weights import Array, Weights

Indices = npt.NDArray[np.int64]
BRANCH_STARTS = ("Branch_0_Conv2d_1x1", "Branch_1_Conv2d_0a_1x1")
# Where the branches of the two reductions end in the full network's concatenations.
CHANNELS = 4096  # more than any layer has
ENDS_6A = (384, 640)
ENDS_7A = (384, 640, 896)
LAST_6A = ("Mixed_6a_Branch_0_Conv2d_1a_3x3", "Mixed_6a_Branch_1_Conv2d_1a_3x3")
LAST_7A = tuple(f"Mixed_7a_Branch_{branch}_Conv2d_1a_3x3" for branch in range(3))
# (layer inside a branch, the layer that uses it)
INSIDE_7A = (
    ("0_Conv2d_0a_1x1", "0_Conv2d_1a_3x3"),
    ("1_Conv2d_0a_1x1", "1_Conv2d_1a_3x3"),
    ("2_Conv2d_0a_1x1", "2_Conv2d_0b_3x3"),
    ("2_Conv2d_0b_3x3", "2_Conv2d_1a_3x3"),
)


@dataclass(frozen=True)
class Design:
    """Widths and blocks of a student; the defaults are those of the bundled model."""

    conv_1a: int = 24
    conv_4a: int = 128
    block35: tuple[int, ...] = (1, 3, 4, 5)
    mixed_6a: tuple[int, int, int] = (288, 128, 224)  # branch 0, inside branch 1, end of branch 1
    block17: tuple[int, ...] = (3, 5, 8, 10)
    block17_inside: int = 80
    mixed_7a_inside: int = 112
    mixed_7a: tuple[int, int, int] = (288, 224, 224)


def choose_channels(weights: Weights, chips: Array, design: Design) -> dict[str, Indices]:
    """Output channels to keep, ascending, of every layer that loses some.

    A channel counts by what its users receive through it: `channel_importance`. The residual
    projections of block17 keep the channels of the feature map they are added to.
    """
    full = Topology.of(weights)
    importance = channel_importance(weights, chips, full)
    trunk = _block17_map(importance, full, design, _ends(weights, LAST_6A))
    kept = {
        "Conv2d_1a_3x3": strongest(importance["Conv2d_2a_3x3"], design.conv_1a),
        "Conv2d_4a_3x3": strongest(importance["Conv2d_4b_3x3"], design.conv_4a),
        **_mixed_6a_channels(importance, trunk, design, _ends(weights, LAST_6A)[0]),
        **_mixed_7a_channels(importance, full, design, _ends(weights, LAST_7A)),
    }
    for number in design.block17:
        kept |= _block17_channels(importance, f"Block17_{number}_", design.block17_inside)
        kept[f"Block17_{number}_Conv2d_1x1"] = trunk
    return kept


def channel_importance(weights: Weights, chips: Array, topology: Topology) -> dict[str, Array]:
    """Per layer and input channel: root mean square of the input times the kernel's length."""
    received: dict[str, Array] = {}
    plain = convolution(weights.__getitem__)

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        energy = tf.reduce_mean(tf.square(x), (0, 1, 2)).numpy()
        received[name] = np.sqrt(energy * (weights[name].kernel ** 2).sum((0, 1, 3)))
        return plain(x, name, stride, padding, relu)

    network.trunk(convolve, network.stem(convolve, tf.constant(chips)), topology)
    return received


def _ends(weights: Weights, layers: Sequence[str]) -> list[int]:
    """Where the outputs of `layers` end in their concatenation."""
    return [int(end) for end in np.cumsum([weights[name].bias.size for name in layers])]


def _block17_map(
    importance: Mapping[str, Array], full: Topology, design: Design, ends: Sequence[int]
) -> Indices:
    """Channels of the feature map that runs through all block17s; pooled ones all stay."""
    users = [f"Block17_{number}_{start}" for number in full.block17 for start in BRANCH_STARTS]
    users += [f"Mixed_7a_Branch_{branch}_Conv2d_0a_1x1" for branch in range(3)]
    total = np.sum([importance[user] / importance[user].mean() for user in users], axis=0)
    first, second, pooled = np.split(total, ends)
    return np.concatenate(
        [
            strongest(first, design.mixed_6a[0]),
            strongest(second, design.mixed_6a[2]) + ends[0],
            np.arange(len(pooled)) + ends[1],
        ]
    )


def _mixed_6a_channels(
    importance: Mapping[str, Array], trunk: Indices, design: Design, first_end: int
) -> dict[str, Indices]:
    name = "Mixed_6a_Branch_"
    first, second = trunk[: design.mixed_6a[0]], trunk[design.mixed_6a[0] :][: design.mixed_6a[2]]
    inside = design.mixed_6a[1]
    return {
        name + "0_Conv2d_1a_3x3": first,
        name + "1_Conv2d_0a_1x1": strongest(importance[name + "1_Conv2d_0b_3x3"], inside),
        name + "1_Conv2d_0b_3x3": strongest(importance[name + "1_Conv2d_1a_3x3"], inside),
        name + "1_Conv2d_1a_3x3": second - first_end,
    }


def strongest(importance: Array, count: int) -> Indices:
    """Indices of the `count` largest values, ascending."""
    return np.sort(np.argsort(-importance)[:count])


def _block17_channels(
    importance: Mapping[str, Array], block: str, width: int
) -> dict[str, Indices]:
    first, second = np.split(importance[block + "Conv2d_1x1"], 2)
    inside = block + "Branch_1_Conv2d_"
    return {
        block + "Branch_0_Conv2d_1x1": strongest(first, width),
        inside + "0a_1x1": strongest(importance[inside + "0b_1x7"], width),
        inside + "0b_1x7": strongest(importance[inside + "0c_7x1"], width),
        inside + "0c_7x1": strongest(second, width),
    }


def _mixed_7a_channels(
    importance: Mapping[str, Array], full: Topology, design: Design, ends: Sequence[int]
) -> dict[str, Indices]:
    name = "Mixed_7a_Branch_"
    users = [f"Block8_{number}_{start}" for number in full.block8 for start in BRANCH_STARTS]
    parts = np.split(np.sum([importance[user] for user in users], axis=0), ends)
    kept = {
        f"{name}{branch}_Conv2d_1a_3x3": strongest(parts[branch], design.mixed_7a[branch])
        for branch in range(3)
    }
    for layer, user in INSIDE_7A:
        kept[name + layer] = strongest(importance[name + user], design.mixed_7a_inside)
    return kept


def trace_channels(
    weights: Weights, kept: Mapping[str, Indices], topology: Topology
) -> dict[str, Indices]:
    """What each layer receives: one number per input channel, naming the channel it came from.

    The network runs on numbers instead of pictures: a layer gives out `number of the layer *
    CHANNELS + channel` for every channel in `kept` (or all), a residual projection gives zeros.
    """
    received: dict[str, Indices] = {}
    numbers = {name: place * CHANNELS for place, name in enumerate(weights, start=1)}

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        received[name] = np.asarray(x[0, 0, 0], np.int64)
        kernel = weights[name].kernel
        channels = kept.get(name, np.arange(kernel.shape[3]))
        marks = (numbers[name] + channels) * relu
        one_channel = tf.nn.conv2d(x[..., :1], kernel[:, :, :1, :1] * 0, stride, padding)
        return one_channel + tf.constant(marks, tf.float32)

    start = tf.constant(np.arange(3), tf.float32) + tf.zeros((1, SIZE, SIZE, 3))
    network.trunk(convolve, network.stem(convolve, start), topology)
    return received


def input_channels(
    weights: Weights, kept: Mapping[str, Indices], topology: Topology
) -> dict[str, Indices]:
    """Per student layer: which inputs of the full network's layer the student still has."""
    full = trace_channels(weights, {}, Topology.of(weights))
    student = trace_channels(weights, kept, topology)
    return {name: np.flatnonzero(np.isin(full[name], marks)) for name, marks in student.items()}
