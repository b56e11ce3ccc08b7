"""The student's variables, its optimizer and one step of training.

The network has no batch norm: it is folded into kernels whose scales differ a hundredfold, behind
ReLUs whose mean is far from zero. Plain Adam makes no way there. So each layer is trained as if
its inputs had mean zero (`Layer.bias` takes up what a change of the kernel does to the mean) and
with steps in proportion to its kernel's own size. A moving average of the weights is kept.
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
from tools.train.weights import Array, Layer, Weights

# Adam (Kingma & Ba 2015); a shorter memory of squares than usual, for a short run.
BETA_1, BETA_2, EPSILON = 0.9, 0.995, 1e-8
GRADIENT_LIMIT = 1.0  # global norm
AVERAGE = 0.999  # decay of the moving average, shorter in the first steps


@dataclass(frozen=True)
class StudentSettings:
    """What does not change during a run.

    second_weight: weight of every teacher but the first. freeze_stem: leave the first four layers
    as they are, and save their gradient.
    """

    relation_weight: float = 4.0
    second_weight: float = 1.0
    freeze_stem: bool = True


@dataclass(frozen=True)
class Slot:
    """One trained array: its value, Adam's two moments and the moving average."""

    value: tf.Variable
    first: tf.Variable
    second: tf.Variable
    average: tf.Variable

    @classmethod
    def starting_at(cls, value: tf.Variable) -> Slot:
        def zeros() -> tf.Variable:
            return tf.Variable(tf.zeros_like(value), trainable=False)

        return cls(value, zeros(), zeros(), tf.Variable(value, trainable=False))


@dataclass(frozen=True)
class TrainedLayer:
    """A layer's two slots, the mean of each input channel and the size of its kernel at first.

    input_mean: float32[in]; size: root mean square of the kernel.
    """

    name: str
    kernel: Slot
    bias: Slot
    input_mean: Array
    size: float

    def slots(self) -> dict[str, Slot]:
        return {f"{self.name}/kernel": self.kernel, f"{self.name}/bias": self.bias}


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
        self.layers = {
            name: (tf.Variable(layer.kernel), tf.Variable(layer.bias))
            for name, layer in weights.items()
        }
        frozen = network.STEM if settings.freeze_stem else ()
        means = input_means(weights, calibration)
        self.trained = [
            _trained_layer(name, variables, means)
            for name, variables in self.layers.items()
            if name not in frozen
        ]
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
        variables = [pair for layer in self.trained for pair in self.layers[layer.name]]
        with tf.GradientTape() as tape:
            results = self._agreements(chips, targets)
            loss = self._loss(results)
        gradients = tape.gradient(loss, variables)
        gradients, _ = tf.clip_by_global_norm(gradients, GRADIENT_LIMIT)
        self.steps.assign_add(1.0)
        for layer, kernel, bias in zip(self.trained, gradients[::2], gradients[1::2], strict=True):
            self._update(layer, kernel, bias, rate)
        return loss, [each.cosine for each in results], [each.relation for each in results]

    def _agreements(self, chips: Tensor, targets: Sequence[Tensor]) -> list[Agreement]:
        standardized = (tf.cast(chips, tf.float32) - 127.5) / 128.0
        layers = self.layers.__getitem__
        pooled = network.features(
            network.convolution(layers),
            standardized,
            self.topology,
            freeze_stem=self.settings.freeze_stem,
        )
        outputs = [network.dense(layers, head, pooled) for head in self.heads]
        return [
            agreement(tf.cast(output, tf.float32), target)
            for output, target in zip(outputs, targets, strict=True)
        ]

    def _loss(self, results: list[Agreement]) -> Tensor:
        first, *others = [each.loss(self.settings.relation_weight) for each in results]
        return first + self.settings.second_weight * sum(others)

    def _update(
        self, layer: TrainedLayer, kernel_gradient: Tensor, bias_gradient: Tensor, rate: Tensor
    ) -> None:
        """One step as if the layer computed kernel * (x - mean) + bias."""
        mean = tf.constant(layer.input_mean)[:, None]
        before = tf.identity(layer.kernel.value)
        own_rate = rate * layer.size
        self._adam(layer.kernel, kernel_gradient - mean * bias_gradient, own_rate)
        self._adam(layer.bias, bias_gradient, own_rate)
        change = (layer.kernel.value - before) * mean
        layer.bias.value.assign_sub(tf.reduce_sum(change, list(range(len(before.shape) - 1))))
        decay = tf.minimum(AVERAGE, (1.0 + self.steps) / (10.0 + self.steps))
        for slot in (layer.kernel, layer.bias):
            slot.average.assign_sub((1.0 - decay) * (slot.average - slot.value))

    def _adam(self, slot: Slot, gradient: Tensor, rate: Tensor) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=slot.value.handle,
            m=slot.first.handle,
            v=slot.second.handle,
            beta1_power=BETA_1**self.steps,
            beta2_power=BETA_2**self.steps,
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def averaged(self) -> dict[str, Layer]:
        """The moving average of the weights: what is measured and exported."""
        frozen = {
            name: Layer(kernel.numpy(), bias.numpy())
            for name, (kernel, bias) in self.layers.items()
        }
        return frozen | {
            layer.name: Layer(layer.kernel.average.numpy(), layer.bias.average.numpy())
            for layer in self.trained
        }

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
            for layer in self.trained
            for name, slot in layer.slots().items()
            for part in ("value", "first", "second", "average")
        }
        return own | {"steps": self.steps}


def _trained_layer(
    name: str, variables: tuple[tf.Variable, tf.Variable], means: Mapping[str, Array]
) -> TrainedLayer:
    kernel, bias = (Slot.starting_at(variable) for variable in variables)
    size = float(np.sqrt(np.mean(variables[0].numpy() ** 2)))
    return TrainedLayer(name, kernel, bias, means[name], size)


def input_means(weights: Weights, chips: Pixels) -> dict[str, Array]:
    """Mean of every input channel of every layer, heads included."""
    means: dict[str, Array] = {}
    plain = network.convolution(weights.__getitem__)

    def convolve(
        x: Tensor, name: str, stride: int = 1, padding: str = "SAME", relu: bool = True
    ) -> Tensor:
        means[name] = tf.reduce_mean(x, (0, 1, 2)).numpy()
        return plain(x, name, stride, padding, relu)

    standardized = tf.constant((chips.astype(np.float32) - 127.5) / 128.0)
    topology = Topology.of(weights)
    pooled = network.features(convolve, standardized, topology, freeze_stem=False)
    heads = {name for name in weights if name.startswith(network.HEAD)}
    return means | dict.fromkeys(heads, pooled.numpy().mean(0))


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
