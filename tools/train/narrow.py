"""Make a full Inception-ResNet-v1 narrow and short without losing what it knows.

Channels are kept by their share in what the next layers receive; each layer that is left is then
fitted by least squares so that, from the narrow network's own activations, it gives what the full
network gives on the same faces (in the spirit of He et al. 2017, arXiv:1707.06168). A block that
is dropped is taken over by the next one that is kept: its projection is fitted to the feature map
after both. One forward pass over some hundred chips, no gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from tools.train import network
from tools.train.channels import Design, Indices, choose_channels, input_channels
from tools.train.network import Tensor, Topology
from tools.train.weights import Array, Layer, Weights

FIT_ROWS = 16_000  # positions per layer in the least-squares fit
RIDGE = 1e-3  # pull towards the original kernel, as a share of the mean input energy
IMPORTANCE_CHIPS = 200
PASS = 50  # chips at a time through one layer


@dataclass
class Record:
    """What every layer of the full network received and gave, before ReLU, on the same chips."""

    inputs: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)


def narrow(
    weights: Weights, chips: Array, design: Design, random: np.random.Generator
) -> dict[str, Layer]:
    """The student's layers, without a head.

    weights: the full network. chips: float32[N,112,112,3], standardized; 1,000 or so faces.
    """
    kept = choose_channels(weights, chips[:IMPORTANCE_CHIPS], design)
    student = Topology(design.block35, design.block17)
    inputs = input_channels(weights, kept, student)
    fitter = Fitter(weights, observe(weights, chips), kept, inputs, random)
    network.trunk(fitter, network.stem(fitter, tf.constant(chips)), student)
    return fitter.fitted


def observe(weights: Weights, chips: Array) -> Record:
    """Run the full network up to its last reduction and keep what the fit needs of it."""
    record = Record()

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        y = _apply(x, weights[name], stride, padding)
        record.outputs[name] = y.numpy()
        if name.endswith("Branch_0_Conv2d_1x1"):
            record.inputs[name] = x.numpy()
        return tf.nn.relu(y) if relu else y

    full = Topology.of(weights)
    topology = Topology(full.block35, full.block17)
    network.trunk(convolve, network.stem(convolve, tf.constant(chips)), topology)
    return record


def _apply(x: Tensor, layer: Layer, stride: int, padding: str) -> Tensor:
    """A convolution in small passes: the patches of a thousand chips are more than memory."""
    parts = [
        tf.nn.conv2d(x[start : start + PASS], layer.kernel, stride, padding)
        for start in range(0, len(x), PASS)
    ]
    return tf.nn.bias_add(tf.concat(parts, 0), layer.bias)


@dataclass
class Fitter:
    """A `Convolve` that fits each layer to the record when it is reached, then applies it."""

    weights: Weights
    record: Record
    kept: Mapping[str, Indices]
    inputs: Mapping[str, Indices]
    random: np.random.Generator
    fitted: dict[str, Layer] = field(default_factory=dict)
    block_input: Tensor = None

    def __call__(
        self, x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        if name.endswith("Branch_0_Conv2d_1x1"):
            self.block_input = x
        start = self._start(name)
        wanted = self._wanted(name) if not relu else self._kept(name, self.record.outputs[name])
        self.fitted[name] = fit_layer(x, wanted, start, stride, padding, self.random)
        y = _apply(x, self.fitted[name], stride, padding)
        return tf.nn.relu(y) if relu else y

    def _kept(self, name: str, channels: Array) -> Array:
        return channels[..., self.kept[name]] if name in self.kept else channels

    def _start(self, name: str) -> Layer:
        """The original kernel and bias, cut to the channels that are left."""
        kernel, bias = self.weights[name]
        return Layer(self._kept(name, kernel[:, :, self.inputs[name]]), self._kept(name, bias))

    def _wanted(self, name: str) -> Array:
        """The update after which the student's feature map equals the full network's."""
        block = name.removesuffix("Conv2d_1x1")
        scale = network.BLOCK35_SCALE if block.startswith("Block35") else network.BLOCK17_SCALE
        before = self.record.inputs[block + "Branch_0_Conv2d_1x1"]
        after = before + scale * self.record.outputs[name]
        return np.asarray((self._kept(name, after) - self.block_input.numpy()) / scale)


def fit_layer(
    x: Tensor,
    wanted: Array,
    start: Layer,
    stride: int,
    padding: str,
    random: np.random.Generator,
) -> Layer:
    """Least squares from x float32[N,H,W,in] to wanted float32[N,h,w,out], near `start`."""
    height, width, _, outputs = start.kernel.shape
    patches = tf.image.extract_patches(
        x, [1, height, width, 1], [1, stride, stride, 1], [1, 1, 1, 1], padding
    )
    columns = patches.shape[3]
    positions = int(np.prod(patches.shape[:3]))
    rows = np.sort(random.choice(positions, min(FIT_ROWS, positions), replace=False))
    given = tf.gather(tf.reshape(patches, (-1, columns)), rows).numpy()
    given = np.concatenate([given, np.ones((len(given), 1), np.float32)], 1)
    flat = np.concatenate([start.kernel.reshape(-1, outputs), start.bias[None]])
    missing = wanted.reshape(-1, outputs)[rows] - given @ flat
    flat += solve_ridge(given, missing, RIDGE)
    return Layer(flat[:-1].reshape(start.kernel.shape), flat[-1])


def solve_ridge(given: Array, wanted: Array, strength: float) -> Array:
    """argmin |given @ w - wanted|^2 + strength * mean(diag(given' given)) * |w|^2."""
    gram = given.T @ given
    penalty = strength * np.trace(gram) / len(gram)
    solution = np.linalg.solve(gram + penalty * np.eye(len(gram)), given.T @ wanted)
    return np.asarray(solution, np.float32)
