"""The student's variables and one step of training.

The network has no batch norm: it is folded into kernels whose scales differ a hundredfold, behind
ReLUs whose outputs are correlated and far from zero. Plain Adam makes no way there. So each layer
is trained in coordinates in which its inputs are centred and white (`Whitening`; in the spirit of
Desjardins et al. 2015, arXiv:1507.00210, with the statistics of the start kept throughout), with
steps in proportion to its kernel's own size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tools.train import network
from tools.train.augment import SIZE
from tools.train.data import Batch, Pixels
from tools.train.losses import Agreement, agreement
from tools.train.network import Tensor, Topology
from tools.train.optimizer import Slot
from tools.train.weights import Array, Layer, Weights

GRADIENT_LIMIT = 1.0  # global norm
DAMPING = 0.3  # added to the variance of each input direction, as a share of the mean variance
COVARIANCE_ROWS = 20_000


@dataclass(frozen=True)
class StudentSettings:
    """What does not change during a run.

    second_weight: weight of every teacher but the first. freeze_stem: leave the first four layers
    as they are, and save their gradient.
    """

    relation_weight: float = 4.0
    second_weight: float = 2.0
    freeze_stem: bool = True


@dataclass(frozen=True)
class Whitening:
    """A linear change of a layer's inputs that makes their channels centred and nearly white.

    A layer `kernel * x + bias` becomes `(inverse @ kernel) * (matrix @ (x - mean)) + (bias + mean *
    kernel)`. mean: float32[in]; matrix, inverse: float32[in,in], symmetric, inverse to each other.
    """

    mean: Array
    matrix: Array
    inverse: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Whitening:
        """From the mean and covariance of the inputs; weak directions are left weak (DAMPING)."""
        values, axes = np.linalg.eigh(covariance)
        deviations = np.sqrt(values + DAMPING * values.mean())
        matrices = ((axes * scale) @ axes.T for scale in (1 / deviations, deviations))
        matrix, inverse = (each.astype(np.float32) for each in matrices)
        return cls(mean.astype(np.float32), matrix, inverse)

    def white(self, layer: Layer) -> Layer:
        """The layer's parameters for white inputs."""
        return Layer(self.inverse @ layer.kernel, layer.bias + self._at_mean(layer.kernel))

    def plain(self, kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The same layer for the inputs as they are; differentiable."""
        usual = tf.matmul(self.matrix, kernel)
        return usual, bias - self._at_mean(usual)

    def _at_mean(self, kernel: Tensor) -> Tensor:
        """What a kernel [H,W,in,out] or [in,out] gives for the mean input, away from edges."""
        over_places = tf.reduce_sum(kernel, list(range(len(kernel.shape) - 2)))
        return tf.linalg.matvec(over_places, self.mean, transpose_a=True)


@dataclass(frozen=True)
class TrainedLayer:
    """A layer's parameters for white inputs, and the size of its kernel at first.

    size: root mean square of the white kernel.
    """

    name: str
    whitening: Whitening
    kernel: Slot
    bias: Slot
    size: float

    @classmethod
    def starting_at(cls, name: str, layer: Layer, whitening: Whitening) -> TrainedLayer:
        kernel, bias = (tf.Variable(part) for part in whitening.white(layer))
        size = float(np.sqrt(np.mean(kernel.numpy() ** 2)))
        return cls(name, whitening, Slot.starting_at(kernel), Slot.starting_at(bias), size)

    def slots(self) -> dict[str, Slot]:
        return {f"{self.name}/kernel": self.kernel, f"{self.name}/bias": self.bias}

    def plain(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias as the network applies them."""
        return self.whitening.plain(self.kernel.value, self.bias.value)

    def averaged(self) -> Layer:
        """The same for the moving averages."""
        kernel, bias = self.whitening.plain(self.kernel.average, self.bias.average)
        return Layer(kernel.numpy(), bias.numpy())


@dataclass(frozen=True)
class Measured:
    """One step's loss and its agreement with each teacher, as floats."""

    loss: float
    cosines: tuple[float, ...]
    relations: tuple[float, ...]


class Student:
    """A network in training. `heads` are its output layers, one per teacher.

    calibration: uint8[N,112,112,3], some hundred chips that the means of the inputs come from.
    """

    def __init__(self, weights: Weights, settings: StudentSettings, calibration: Pixels) -> None:
        self.settings = settings
        self.topology = Topology.of(weights)
        self.heads = sorted(name for name in weights if name.startswith(network.HEAD))
        frozen = network.STEM if settings.freeze_stem else ()
        self.frozen = {name: weights[name] for name in frozen}
        whitenings = input_whitenings(weights, calibration)
        self.trained = {
            name: TrainedLayer.starting_at(name, layer, whitenings[name])
            for name, layer in weights.items()
            if name not in frozen
        }
        self.steps = tf.Variable(0.0, trainable=False)
        signature = [tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)]
        signature += [tf.TensorSpec([None, weights[head].bias.size]) for head in self.heads]
        self._step = tf.function(self._train, input_signature=[*signature, tf.TensorSpec([])])

    def step(self, batch: Batch, rate: float) -> Measured:
        """One batch at relative learning rate `rate`; measured before the update."""
        loss, cosines, relations = self._step(batch.chips, *batch.targets, rate)
        return Measured(float(loss), tuple(map(float, cosines)), tuple(map(float, relations)))

    def _train(self, chips: Tensor, *targets_and_rate: Tensor) -> Tensor:
        *targets, rate = targets_and_rate
        slots = [
            (slot, rate * layer.size)
            for layer in self.trained.values()
            for slot in (layer.kernel, layer.bias)
        ]
        with tf.GradientTape() as tape:
            results = self._agreements(chips, targets)
            loss = self._loss(results)
        gradients = tape.gradient(loss, [slot.value for slot, _ in slots])
        gradients, _ = tf.clip_by_global_norm(gradients, GRADIENT_LIMIT)
        self.steps.assign_add(1.0)
        for (slot, own_rate), gradient in zip(slots, gradients, strict=True):
            slot.step(gradient, own_rate, self.steps)
        return loss, [each.cosine for each in results], [each.relation for each in results]

    def _agreements(self, chips: Tensor, targets: Sequence[Tensor]) -> list[Agreement]:
        standardized = (tf.cast(chips, tf.float32) - 127.5) / 128.0
        pooled = network.features(
            network.convolution(self._layer),
            standardized,
            self.topology,
            freeze_stem=self.settings.freeze_stem,
        )
        outputs = [network.dense(self._layer, head, pooled) for head in self.heads]
        return [
            agreement(tf.cast(output[: tf.shape(target)[0]], tf.float32), target)
            for output, target in zip(outputs, targets, strict=True)
        ]

    def _layer(self, name: str) -> tuple[Tensor, Tensor]:
        return self.frozen[name] if name in self.frozen else self.trained[name].plain()

    def _loss(self, results: list[Agreement]) -> Tensor:
        first, *others = [each.loss(self.settings.relation_weight) for each in results]
        return first + self.settings.second_weight * sum(others)

    def averaged(self) -> dict[str, Layer]:
        """The moving average of the weights: what is measured and exported."""
        return self.frozen | {name: layer.averaged() for name, layer in self.trained.items()}

    def state(self) -> dict[str, Array]:
        """Everything that a resumed run needs and cannot make again, as named arrays."""
        return {key: variable.numpy() for key, variable in self._variables().items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take up a `state`. Raises KeyError or ValueError when it is of another network."""
        for key, variable in self._variables().items():
            variable.assign(arrays[key])

    def _variables(self) -> dict[str, tf.Variable]:
        own = {
            f"{part}/{name}": getattr(slot, part)
            for layer in self.trained.values()
            for name, slot in layer.slots().items()
            for part in ("value", "first", "second", "average")
        }
        return own | {"steps": self.steps}


def input_whitenings(weights: Weights, chips: Pixels) -> dict[str, Whitening]:
    """How the inputs of every layer, heads included, are made white; measured on the chips."""
    whitenings: dict[str, Whitening] = {}
    plain = network.convolution(weights.__getitem__)

    def measure(x: Tensor) -> Whitening:
        rows = np.reshape(x, (-1, x.shape[-1]))
        rows = rows[:: max(1, len(rows) // COVARIANCE_ROWS)]
        return Whitening.of(rows.mean(0), np.cov(rows, rowvar=False, bias=True))

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        whitenings[name] = measure(x)
        return plain(x, name, stride, padding, relu)

    standardized = tf.constant((chips.astype(np.float32) - 127.5) / 128.0)
    topology = Topology.of(weights)
    pooled = network.features(convolve, standardized, topology, freeze_stem=False)
    heads = (name for name in weights if name.startswith(network.HEAD))
    return whitenings | dict.fromkeys(heads, measure(pooled))


def pooled_features(weights: Weights, chips: Pixels, size: int = 100) -> Array:
    """Features before the heads of uint8[N,112,112,3] chips: float32[N,C]."""
    topology = Topology.of(weights)
    convolve = network.convolution(weights.__getitem__)

    def features(batch: Tensor) -> Tensor:
        x = (tf.cast(batch, tf.float32) - 127.5) / 128.0
        return network.features(convolve, x, topology, freeze_stem=False)

    signature = [tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)]
    embed = tf.function(features, input_signature=signature)

    parts = [embed(chips[start : start + size]) for start in range(0, len(chips), size)]
    return np.concatenate([part.numpy() for part in parts])


def head_outputs(weights: Weights, chips: Pixels) -> list[Array]:
    """Per teacher float32[N,D] of unit length for uint8[N,112,112,3] chips."""
    pooled = pooled_features(weights, chips)
    heads = [weights[name] for name in sorted(weights) if name.startswith(network.HEAD)]
    return [unit(pooled @ head.kernel + head.bias) for head in heads]


def unit(vectors: Array) -> Array:
    """Rows scaled to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
