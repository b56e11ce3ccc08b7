"""A face network as ONNX and OpenVINO hand it over, in the few operators that such networks use.

Both readers make a `Network`; from there on there is one way: `fold`, `equalize`, `build_graph`.
Kinds and attributes are ONNX's, in its layout (pictures [N,C,H,W], kernels [out,in,H,W]), but for
`Dense`, a matrix product [N,in] x [in,out] with bias.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.import_model.errors import ImportFailed

Array = NDArray[np.float32]
Shape = tuple[int, ...]

# Operators with one input that is not a constant, which leave shapes alone.
ELEMENTWISE = ("Relu", "LeakyRelu", "PRelu", "Sigmoid", "Clip", "HardSigmoid", "HardSwish", "Tanh")
POOLS = ("GlobalAveragePool", "AveragePool", "MaxPool", "ReduceMean")
RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
NORMALIZE = "LpNormalization"
KNOWN = {
    *("Conv", "Dense", "Add", "Mul", "Concat", "Pad", "Transpose", "BatchNormalization"),
    *(*ELEMENTWISE, *POOLS, *RESHAPES, NORMALIZE),
}


@dataclass(frozen=True)
class Operation:
    """One operator: names of its inputs and of its one output."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """One picture in, one vector out.

    shapes: of every tensor that is not a constant, for a batch of one.
    operations: each behind those that it reads.
    """

    input: str
    output: str
    operations: tuple[Operation, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]

    @property
    def size(self) -> int:
        """Side of the picture in pixels."""
        return self.shapes[self.input][2]

    def readers(self) -> Counter[str]:
        """How many inputs a tensor is; the network's output counts as one."""
        return Counter([name for op in self.operations for name in op.inputs] + [self.output])


def check_network(network: Network) -> Network:
    """The network itself, where it is one that can be imported.

    Raises ImportFailed: unknown operators, another input than one square RGB picture, no vector.
    """
    unknown = sorted({op.kind for op in network.operations} - KNOWN)
    if unknown:
        raise ImportFailed(
            f"the network uses {', '.join(unknown)}, which the importer does not know; it knows "
            f"{', '.join(sorted(KNOWN))}"
        )
    shape = network.shapes[network.input]
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or shape[2] < 1:
        raise ImportFailed(
            f"the input has the shape {list(shape)}; a face network takes [1, 3, S, S]"
        )
    if sum(side != 1 for side in network.shapes[network.output]) != 1:
        raise ImportFailed(
            f"the output has the shape {list(network.shapes[network.output])}; a face network "
            "gives one vector"
        )
    return network


def channels_first(network: Network) -> Network:
    """The network for [1,3,S,S], where it takes [1,S,S,3] and turns it round first."""
    shape = network.shapes[network.input]
    first = [op for op in network.operations if network.input in op.inputs]
    turns = [op for op in first if op.attributes.get("perm") == [0, 3, 1, 2]]
    if len(shape) != 4 or shape[3] != 3 or not first or first != turns:
        return network
    outputs = {op.output for op in turns}
    operations = tuple(
        replace(op, inputs=tuple(network.input if n in outputs else n for n in op.inputs))
        for op in network.operations
        if op not in turns
    )
    shapes = dict(network.shapes) | {network.input: (1, 3, *shape[1:3])}
    return replace(network, operations=operations, shapes=shapes)


def scales_itself(network: Network) -> bool:
    """Whether the network begins with a scale or a shift of its own, so that it takes pixels."""
    first = [op for op in network.operations if network.input in op.inputs]
    return all(
        op.kind in ("Add", "Mul") and any(name in network.constants for name in op.inputs)
        for op in first
    )


def reachable(network: Network) -> Network:
    """The part that the output depends on."""
    wanted, kept = {network.output}, []
    for op in reversed(network.operations):
        if op.output in wanted:
            kept.append(op)
            wanted.update(op.inputs)
    if network.input not in wanted:
        raise ImportFailed("the output of the network does not depend on its input")
    constants = {name: value for name, value in network.constants.items() if name in wanted}
    return replace(network, operations=tuple(reversed(kept)), constants=constants)


def channels(value: Array, shape: Shape) -> Array | None:
    """A constant as one number per channel of a tensor, float32 [C] or [1]; None where it is more.

    shape: of the tensor, [1,C,H,W] or [1,C].
    """
    if value.size == 1:
        return np.asarray(value, np.float32).reshape(1)
    axis = 1 - len(shape)  # from the end, as broadcasting counts
    if value.size == shape[1] and value.ndim >= -axis and value.shape[axis] == value.size:
        return np.asarray(value, np.float32).ravel()
    return None


def standardized_input(network: Network, mean: Sequence[float], scale: float) -> Network:
    """The network for (x - 127.5) / 128 where it took (x - mean) * scale, x from 0 to 255."""
    inside = f"{network.input}/pixels"
    factor, shift = f"{inside}/factor", f"{inside}/shift"
    constants = {
        factor: np.full((1, 3, 1, 1), 128 * scale, np.float32),
        shift: ((127.5 - np.asarray(mean)) * scale).astype(np.float32).reshape(1, -1, 1, 1),
    }
    first = (
        Operation("Mul", (network.input, factor), f"{inside}/scaled"),
        Operation("Add", (f"{inside}/scaled", shift), inside),
    )
    moved = tuple(
        replace(op, inputs=tuple(inside if name == network.input else name for name in op.inputs))
        for op in network.operations
    )
    shape = network.shapes[network.input]
    return replace(
        network,
        operations=(*first, *moved),
        constants=dict(network.constants) | constants,
        shapes=dict(network.shapes) | {inside: shape, f"{inside}/scaled": shape},
    )
