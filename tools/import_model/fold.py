"""Scales and shifts folded into the convolutions beside them, on a `Network`.

TensorFlow's converter folds some of it too, but only without padding in between, and equalization
needs kernels that hold all of a layer.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from tools.import_model.network import Array, Network, Operation, channels

# Below this a factor cannot be divided by.
SMALLEST = 1e-6


def simplify_network(network: Network) -> Network:
    """The same function: no batch norm, and no scale or shift that a layer beside it can hold."""
    network = _without_batch_norm(network)
    network = _into_layers_before(network)
    network = _into_layers_behind(network)
    return _merge_shifts(network)


def _without_batch_norm(network: Network) -> Network:
    operations: list[Operation] = []
    constants, shapes = dict(network.constants), dict(network.shapes)
    for op in network.operations:
        if op.kind != "BatchNormalization":
            operations.append(op)
            continue
        gamma, beta, mean, variance = (constants[name].ravel() for name in op.inputs[1:5])
        factor = gamma / np.sqrt(variance + op.attributes.get("epsilon", 1e-5))
        shape = (1, -1, *[1] * (len(shapes[op.output]) - 2))
        constants[f"{op.output}/factor"] = factor.astype(np.float32).reshape(shape)
        constants[f"{op.output}/shift"] = (beta - mean * factor).astype(np.float32).reshape(shape)
        shapes[f"{op.output}/scaled"] = shapes[op.output]
        operations += [
            Operation("Mul", (op.inputs[0], f"{op.output}/factor"), f"{op.output}/scaled"),
            Operation("Add", (f"{op.output}/scaled", f"{op.output}/shift"), op.output),
        ]
    return replace(network, operations=tuple(operations), constants=constants, shapes=shapes)


def scale_of(network: Network, op: Operation) -> Array | None:
    """The numbers per channel that a Mul or Add has as a constant; None for any other operation."""
    known = [name for name in op.inputs if name in network.constants]
    if op.kind not in ("Mul", "Add") or len(known) != 1:
        return None
    return channels(network.constants[known[0]], network.shapes[op.output])


def data_input(network: Network, op: Operation) -> str:
    """The first input that is not a constant."""
    return next(name for name in op.inputs if name not in network.constants)


def _into_layers_before(network: Network) -> Network:
    """Scales and shifts that follow a convolution or a dense layer, and nothing else does."""
    readers = network.readers()
    done: list[Operation] = []
    constants = dict(network.constants)
    place: dict[str, int] = {}  # of the layer that makes a tensor
    for op in network.operations:
        numbers = scale_of(network, op)
        source = data_input(network, op) if numbers is not None else ""
        if numbers is not None and source in place and readers[source] == 1:
            layer = done[place[source]]
            done[place[source]] = replace(
                _absorb(layer, op.kind, numbers, constants), output=op.output
            )
            place[op.output] = place.pop(source)
            continue
        if op.kind in ("Conv", "Dense"):
            place[op.output] = len(done)
            done.append(_own_constants(op, constants, readers))
        else:
            done.append(op)
    return replace(network, operations=tuple(done), constants=constants)


def _own_constants(op: Operation, constants: dict[str, Array], readers: Counter[str]) -> Operation:
    """The layer with a kernel and a bias of its own, which may change."""
    kernel = f"{op.output}/kernel"
    bias = f"{op.output}/bias"
    values = [constants[name] for name in op.inputs[1:]]
    constants[kernel] = np.array(values[0], np.float32)
    outputs = values[0].shape[0 if op.kind == "Conv" else 1]
    old = values[1].ravel() if len(values) > 1 else np.zeros(outputs, np.float32)
    constants[bias] = np.array(old, np.float32)
    for name in op.inputs[1:]:
        if readers[name] == 1 and name not in (kernel, bias):
            constants.pop(name, None)
    return replace(op, inputs=(op.inputs[0], kernel, bias))


def _absorb(layer: Operation, kind: str, numbers: Array, constants: dict[str, Array]) -> Operation:
    _, kernel, bias = layer.inputs
    if kind == "Mul":
        constants[kernel] = constants[kernel] * _along_outputs(layer, numbers)
        constants[bias] = constants[bias] * numbers
    else:
        constants[bias] = constants[bias] + numbers
    return layer


def _along_outputs(layer: Operation, numbers: Array) -> Array:
    return numbers.reshape(-1, 1, 1, 1) if layer.kind == "Conv" else numbers


def along_inputs(layer: Operation, kernel: Array, numbers: Array) -> Array:
    """Numbers per input channel in the shape of the kernel; one number for all stays one."""
    if numbers.size == 1:
        return numbers.reshape(())
    if layer.kind == "Dense":
        return numbers[:, None]
    groups = layer.attributes.get("group", 1)
    if groups == 1:
        return numbers[None, :, None, None]
    return np.repeat(numbers, kernel.shape[0] // groups)[:, None, None, None]


def _into_layers_behind(network: Network) -> Network:
    """Scale and shift right before a layer: the scale goes in, and what remains is one shift.

    A layer pads with zeros behind the shift: scale * x + shift becomes scale * (x + shift / scale),
    whose padding is zero too.
    """
    readers = network.readers()
    makers = {op.output: op for op in network.operations}
    constants = dict(network.constants)
    dropped: set[str] = set()
    changed: dict[str, Operation] = {}
    for layer in network.operations:
        if layer.kind not in ("Conv", "Dense"):
            continue
        factor, shift, chain = _chain_before(network, makers, readers, layer.inputs[0])
        if not chain or np.abs(factor).min() < SMALLEST or not _groups_fit(layer, constants):
            continue
        kernel = layer.inputs[1]
        constants[kernel] = constants[kernel] * along_inputs(layer, constants[kernel], factor)
        dropped.update(op.output for op in chain)
        start = data_input(network, chain[0])
        if np.any(shift):
            name = f"{layer.output}/shift_before"
            shape = (1, -1, *[1] * (len(network.shapes[start]) - 2))
            constants[name] = (shift / factor).astype(np.float32).reshape(shape)
            last = chain[-1].output
            changed[last] = Operation("Add", (start, name), last)
            dropped.discard(last)
        else:
            changed[layer.output] = replace(layer, inputs=(start, *layer.inputs[1:]))
    operations = tuple(
        changed.get(op.output, op) for op in network.operations if op.output not in dropped
    )
    return replace(network, operations=operations, constants=constants)


def _groups_fit(layer: Operation, constants: dict[str, Array]) -> bool:
    """Whether each kernel reads all channels, or its own alone."""
    return layer.kind == "Dense" or (
        layer.attributes.get("group", 1) == 1 or constants[layer.inputs[1]].shape[1] == 1
    )


def _chain_before(
    network: Network, makers: dict[str, Operation], readers: Counter[str], name: str
) -> tuple[Array, Array, list[Operation]]:
    """Scales and shifts that end in a tensor which only one layer reads: factor, shift, them."""
    chain: list[Operation] = []
    while name in makers and readers[name] == 1:
        numbers = scale_of(network, makers[name])
        if numbers is None:
            break
        chain.insert(0, makers[name])
        name = data_input(network, makers[name])
    factor, shift = np.ones(1, np.float32), np.zeros(1, np.float32)
    for op in chain:
        numbers = scale_of(network, op)
        assert numbers is not None
        if op.kind == "Mul":
            factor, shift = factor * numbers, shift * numbers
        else:
            shift = shift + numbers
    return factor, shift, chain


def _merge_shifts(network: Network) -> Network:
    """Constants that nothing reads any more are gone."""
    used = {name for op in network.operations for name in op.inputs}
    kept = {name: value for name, value in network.constants.items() if name in used}
    return replace(network, constants=kept)
