"""Cross-layer equalization: channels of one tensor get ranges that int8 can hold together.

A positive factor on a channel passes a PReLU, a pool, a residual addition and a gate, so that it
can be taken out of the layer before and put into the layer behind; the float network stays what it
is (Nagel et al. 2019, arXiv:1906.04721; here from the ranges of activations, as kernels are rounded
per channel anyway). Before a depthwise layer, whose kernels have a scale for each channel, ranges
are made equal; before any other, whose kernels would lose what activations gain, nearly so.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tools.import_model.build_graph import compute
from tools.import_model.fold import along_inputs, scale_of
from tools.import_model.network import Array, Network, Operation

BEFORE_DEPTHWISE = 1.0
# Of 0.5 to 1, measured with static int8 on LFW.
BEFORE_OTHERS = 0.75
BATCH = 16
# What a positive factor passes: f(k * x) = k * f(x).
PASSING = {"Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalAveragePool"}


def channel_factors(largest: Array, exponent: float) -> Array:
    """What to divide each channel by: float32[C], 1 in their geometric mean."""
    alive = np.maximum(largest, max(float(largest.max()), 1e-12) * 1e-4)
    logarithms = exponent * np.log(alive)
    return np.asarray(np.exp(logarithms - logarithms.mean()), np.float32)


class Ties:
    """Which tensors share their channels' factors, and which keep them at 1."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._fixed: set[str] = set()

    def root(self, name: str) -> str:
        """The tensor that stands for all that are tied to this one."""
        while (above := self._parent.setdefault(name, name)) != name:
            name = above
        return name

    def tie(self, *names: str) -> None:
        first, *others = (self.root(name) for name in names)
        for other in others:
            self._parent[other] = first
            if other in self._fixed:
                self._fixed.add(first)

    def fix(self, *names: str) -> None:
        self._fixed.update(self.root(name) for name in names)

    def is_fixed(self, name: str) -> bool:
        return self.root(name) in self._fixed


def equalize(network: Network, chips: NDArray[np.float32]) -> Network:
    """The same function with ranges that are alike. chips: standardized, [N,S,S,3]."""
    ties = find_ties(network)
    groups: dict[str, list[str]] = defaultdict(list)
    for op in network.operations:
        if not ties.is_fixed(op.output):
            groups[ties.root(op.output)].append(op.output)
    largest = ranges(network, chips)
    factors = {
        root: channel_factors(
            np.max([largest[name] for name in names], axis=0), _exponent(network, ties, root)
        )
        for root, names in groups.items()
    }
    return _scaled(
        network,
        {
            op.output: factors[ties.root(op.output)]
            for op in network.operations
            if ties.root(op.output) in factors
        },
    )


def find_ties(network: Network) -> Ties:
    """What each operation lets a factor do."""
    ties = Ties()
    ties.fix(network.input, network.output)
    makers = {op.output: op for op in network.operations}
    for op in network.operations:
        data = [name for name in op.inputs if name not in network.constants]
        if _grouped(network, op):
            ties.fix(op.output, *data)
        elif op.kind in ("Conv", "Dense") and len(network.shapes[op.inputs[0]]) == _rank(op):
            ties.root(op.output)  # a layer: its input and its output have factors of their own
        elif _passes(network, op):
            ties.tie(op.output, *data)
        elif op.kind == "Mul" and len(data) == 2 and (gate := _gate(makers, data)) is not None:
            ties.fix(gate)
            ties.tie(op.output, *(name for name in data if name != gate))
        else:
            ties.fix(op.output, *data)
    return ties


def _rank(op: Operation) -> int:
    return 4 if op.kind == "Conv" else 2


def _grouped(network: Network, op: Operation) -> bool:
    """A convolution with groups that are not single channels."""
    return (
        op.kind == "Conv"
        and op.attributes.get("group", 1) > 1
        and network.constants[op.inputs[1]].shape[1] != 1
    )


def _passes(network: Network, op: Operation) -> bool:
    if op.kind in PASSING:
        return True
    if op.kind in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        shape = network.shapes[op.inputs[0]]
        return shape[1] == int(np.prod(shape)) == network.shapes[op.output][1]
    if op.kind in ("Add", "Mul"):
        shapes = {network.shapes[n] for n in op.inputs if n not in network.constants}
        if len(shapes) != 1:
            return False
        constant = any(name in network.constants for name in op.inputs)
        return scale_of(network, op) is not None if constant else op.kind == "Add"
    return False


def _gate(makers: dict[str, Operation], data: list[str]) -> str | None:
    """The one of two factors that is between 0 and 1."""
    bounded = [n for n in data if n in makers and makers[n].kind in ("Sigmoid", "HardSigmoid")]
    return bounded[0] if len(bounded) == 1 else None


def _exponent(network: Network, ties: Ties, root: str) -> float:
    kernels = [
        network.constants[op.inputs[1]].shape[1]
        for op in network.operations
        if op.kind in ("Conv", "Dense") and ties.root(op.inputs[0]) == root
    ]
    return BEFORE_DEPTHWISE if kernels and set(kernels) == {1} else BEFORE_OTHERS


def ranges(network: Network, chips: NDArray[np.float32]) -> dict[str, Array]:
    """The largest absolute value of each channel of each tensor, but of those that only a PReLU
    reads: LiteRT computes them together."""
    import tensorflow as tf

    largest: dict[str, Array] = {}
    for start in range(0, len(chips), BATCH):
        values = compute(network, tf.constant(chips[start : start + BATCH]))
        for name, value in values.items():
            array = np.abs(np.asarray(value))
            found = array.max(axis=tuple(range(array.ndim - 1)))
            largest[name] = np.maximum(found, largest.get(name, 0.0))
    readers = network.readers()
    for op in network.operations:
        if op.kind in ("PRelu", "LeakyRelu", "Relu") and readers[op.inputs[0]] == 1:
            largest[op.inputs[0]] = largest[op.output]
    return largest


def _scaled(network: Network, factors: dict[str, Array]) -> Network:
    constants = dict(network.constants)
    for op in network.operations:
        out = factors.get(op.output)
        if op.kind in ("Conv", "Dense"):
            _scale_layer(op, constants, factors.get(op.inputs[0]), out)
        elif op.kind == "Add" and out is not None and scale_of(network, op) is not None:
            name = next(name for name in op.inputs if name in constants)
            shape = (1, -1, *[1] * (len(network.shapes[op.output]) - 2))
            value = np.broadcast_to(constants[name].reshape(-1), out.shape) / out
            constants[name] = value.reshape(shape).astype(np.float32)
    return replace(network, constants=constants)


def _scale_layer(
    op: Operation, constants: dict[str, Array], inside: Array | None, out: Array | None
) -> None:
    _, kernel, bias = op.inputs
    if inside is not None:
        constants[kernel] = constants[kernel] * along_inputs(op, constants[kernel], inside)
    if out is not None:
        along = out.reshape(-1, 1, 1, 1) if op.kind == "Conv" else out
        constants[kernel] = constants[kernel] / along
        constants[bias] = constants[bias] / out
