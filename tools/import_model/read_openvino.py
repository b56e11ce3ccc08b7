"""OpenVINO's IR: an `.xml` of layers beside a `.bin` of numbers."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tools.import_model.errors import ImportFailed
from tools.import_model.network import (
    Array,
    Network,
    Operation,
    channels_first,
    check_network,
    reachable,
)

# The layers of a network of a few hundred operators take about a third of a megabyte.
LARGEST_XML = 16 << 20
TYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "u8": "u1", "i8": "i1"}
TYPES |= {"f64": "<f8"}
# Ours and theirs.
SAME = {"Add": "Add", "Multiply": "Mul", "ReLU": "Relu", "Sigmoid": "Sigmoid", "PReLU": "PRelu"}
SAME |= {"Concat": "Concat", "Transpose": "Transpose", "Reshape": "Reshape", "Tanh": "Tanh"}
WINDOWED = {"Convolution": "Conv", "GroupConvolution": "Conv", "AvgPool": "AveragePool"}
WINDOWED |= {"MaxPool": "MaxPool"}
YES = ("true", "1")
SAME |= {"HSwish": "HardSwish", "Squeeze": "Squeeze", "Unsqueeze": "Unsqueeze"}


@dataclass(frozen=True)
class Layer:
    """A layer of the file. inputs: layers and ports in the order of its own ports."""

    name: str
    kind: str
    data: Mapping[str, str]
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


def read_openvino(path: Path) -> Network:
    """The network of an `.xml` with its `.bin` beside it.

    Raises ImportFailed: damaged, cut short, a dynamic shape, several inputs or outputs, operators
    that the importer does not know.
    """
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ImportFailed(f"{weights.name} is not beside {path.name}; put both in one folder")
    try:
        layers = list(_layers(_parse(path)))
        return check_network(channels_first(reachable(_network(layers, weights))))
    except (ElementTree.ParseError, LookupError, TypeError, ValueError, OSError) as exc:
        raise ImportFailed(f"{path.name} is damaged or no OpenVINO IR ({exc})") from exc


def _parse(path: Path) -> ElementTree.Element:
    """The root. A document type is refused: entities in it can grow without end."""
    content = path.read_bytes() if path.stat().st_size <= LARGEST_XML else b""
    if not content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError("it is too large, or declares a document type, which no IR does")
    root = ElementTree.fromstring(content)  # noqa: S314 - no entities, see above
    if root.tag != "net" or int(root.get("version", "0")) < 10:
        raise ValueError("it is not an IR of version 10 or later")
    return root


def _layers(root: ElementTree.Element) -> Iterator[Layer]:
    """In the order of the file, which may be any."""
    ends = {
        (edge.get("to-layer"), edge.get("to-port")): f"{edge.get('from-layer')}"
        for edge in root.iter("edge")
    }
    for element in root.iter("layer"):
        number = element.get("id")
        ports = [port.get("id") for port in element.iterfind("input/port")]
        data = element.find("data")
        yield Layer(
            name=str(number),
            kind=element.get("type", ""),
            data={} if data is None else dict(data.attrib),
            inputs=tuple(ends[number, port] for port in ports),
            shape=_shape(element),
        )


def _shape(element: ElementTree.Element) -> tuple[int, ...]:
    ports = element.findall("output/port")
    if len(ports) > 1:
        raise ImportFailed(
            f"the layer {element.get('name')} ({element.get('type')}) has several outputs, which "
            "no operator that the importer knows has"
        )
    return tuple(int(str(dim.text)) for port in ports for dim in port.iterfind("dim"))


def _network(layers: list[Layer], weights: Path) -> Network:
    inputs = [layer for layer in layers if layer.kind == "Parameter"]
    results = [layer for layer in layers if layer.kind == "Result"]
    if len(inputs) != 1 or len(results) != 1:
        raise ImportFailed(
            f"the network has {len(inputs)} inputs and {len(results)} outputs; a face network has "
            "one of each"
        )
    dynamic = [layer.name for layer in layers if any(side < 1 for side in layer.shape)]
    if dynamic:
        raise ImportFailed(
            f"the network has dynamic shapes ({inputs[0].data.get('shape')}); fix them with "
            "OpenVINO's reshape and save it again"
        )
    constants = _constants(layers, weights)
    operations = []
    for layer in _sorted(layers):
        if layer.kind not in ("Parameter", "Result", "Const") and layer.name not in constants:
            operations.append(_operation(layer, constants))
    return Network(
        inputs[0].name,
        results[0].inputs[0],
        tuple(operations),
        constants,
        {layer.name: layer.shape for layer in layers if layer.shape},
    )


def _sorted(layers: list[Layer]) -> Iterator[Layer]:
    """Each layer behind those that it reads."""
    waiting = list(layers)
    seen: set[str] = set()
    while waiting:
        ready = [layer for layer in waiting if seen.issuperset(layer.inputs)]
        if not ready:
            raise ValueError("its layers read each other in a circle, or one that is missing")
        yield from ready
        seen.update(layer.name for layer in ready)
        waiting = [layer for layer in waiting if layer.name not in seen]


def _constants(layers: list[Layer], weights: Path) -> dict[str, Any]:
    """Constants, and those that a Convert makes of them, as float32 or whole numbers."""
    data = weights.read_bytes()
    constants: dict[str, Any] = {}
    for layer in layers:
        if layer.kind == "Const":
            constants[layer.name] = _value(layer, data)
    for layer in layers:
        if layer.kind == "Convert" and layer.inputs[0] in constants:
            constants[layer.name] = constants[layer.inputs[0]]
    return constants


def _value(layer: Layer, data: bytes) -> Array:
    kind = np.dtype(TYPES[layer.data["element_type"]])
    start, length = int(layer.data["offset"]), int(layer.data["size"])
    shape = numbers_of(layer.data.get("shape", ""))
    if length != kind.itemsize * math.prod(shape) or start < 0 or start + length > len(data):
        raise ValueError("its .bin is too short, or belongs to another .xml")
    values = np.frombuffer(data, kind, math.prod(shape), start).reshape(shape)
    return values.astype(np.float32 if kind.kind == "f" else np.int64)


def numbers_of(text: str) -> list[int]:
    """`1, 2` -> [1, 2]"""
    return [int(number) for number in text.split(",") if number.strip()]


def _operation(layer: Layer, constants: dict[str, Any]) -> Operation:
    """The layer in the words of `network`; one that it does not know keeps its own."""
    kind, inputs = SAME.get(layer.kind, layer.kind), layer.inputs
    attributes: dict[str, Any] = {}
    if layer.kind in ("Convolution", "GroupConvolution", "AvgPool", "MaxPool"):
        return _windowed(layer, constants)
    if layer.kind == "Clamp":
        kind = "Clip"
        attributes = {side: float(layer.data[side]) for side in ("min", "max")}
    elif layer.kind == "MatMul":
        kernel = constants[inputs[1]]
        kind, turned = "Dense", layer.data.get("transpose_b", "false") in YES
        constants[f"{layer.name}/kernel"] = kernel.T if turned else kernel
        inputs = (inputs[0], f"{layer.name}/kernel")
    elif layer.kind == "Concat":
        attributes = {"axis": int(layer.data["axis"])}
    elif layer.kind in ("Reshape", "Squeeze", "Unsqueeze"):
        kind, attributes, inputs = "Reshape", {"shape": list(layer.shape)}, inputs[:1]
    elif layer.kind == "Transpose":
        attributes, inputs = {"perm": constants[inputs[1]].ravel().tolist()}, inputs[:1]
    elif layer.kind == "ReduceMean":
        kept = int(layer.data.get("keep_dims", "false") in YES)
        attributes = {"axes": constants[inputs[1]].ravel().tolist(), "keepdims": kept}
        inputs = inputs[:1]
    elif layer.kind == "NormalizeL2":
        kind, inputs = "LpNormalization", inputs[:1]
    return Operation(kind, inputs, layer.name, attributes)


def _windowed(layer: Layer, constants: dict[str, Any]) -> Operation:
    """A convolution or a pool."""
    attributes, inputs = _windows(layer), layer.inputs
    if layer.kind == "GroupConvolution":  # [groups,out,in,H,W]
        kernel = constants[inputs[1]]
        attributes["group"] = kernel.shape[0]
        constants[f"{layer.name}/kernel"] = kernel.reshape(-1, *kernel.shape[2:])
        inputs = (inputs[0], f"{layer.name}/kernel")
    if layer.kind in ("AvgPool", "MaxPool"):
        attributes["kernel_shape"] = numbers_of(layer.data["kernel"])
        attributes["count_include_pad"] = int(layer.data.get("exclude-pad") == "false")
        attributes["ceil_mode"] = int(layer.data.get("rounding_type") == "ceil")
    return Operation(WINDOWED[layer.kind], inputs, layer.name, attributes)


def _windows(layer: Layer) -> dict[str, Any]:
    """Strides, padding and dilations in ONNX's words."""
    if layer.data.get("auto_pad", "explicit") not in ("explicit", "valid", "notset"):
        raise ImportFailed(
            f"the layer {layer.name} pads by {layer.data['auto_pad']}; the importer knows explicit "
            "padding"
        )
    begin, end = (numbers_of(layer.data.get(side, "0, 0")) for side in ("pads_begin", "pads_end"))
    return {
        "strides": numbers_of(layer.data["strides"]),
        "pads": [*begin, *end],
        "dilations": numbers_of(layer.data.get("dilations", "1, 1")),
    }
