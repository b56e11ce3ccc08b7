"""ONNX, by the `onnx` package: its parser, its checker's shapes, its evaluator for constants."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tools.import_model.errors import ImportFailed
from tools.import_model.network import (
    NORMALIZE,
    Network,
    Operation,
    channels_first,
    check_network,
    reachable,
)

DROPPED = {"Identity", "Dropout", "Cast"}
# What is left of a folded constant: shapes, axes, limits and pads of a few numbers.
LARGEST_FOLDED = 1 << 24


def read_onnx(path: Path, size: int | None) -> Network:
    """The network of an `.onnx` file. size: of the picture, where the file leaves it open.

    Raises ImportFailed: damaged, cut short, weights in other files, a dynamic shape, several inputs
    or outputs, operators that the importer does not know.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as exc:
        raise ImportFailed(
            "ONNX files need the package onnx, which `make import-model` installs"
        ) from exc
    try:
        model = onnx.load_model(path, load_external_data=False)
        _refuse_external(model)
        onnx.checker.check_model(model)
        _fix_input(model, size)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        return check_network(channels_first(reachable(_Reader(model).network())))
    except (
        DecodeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
        OSError,
    ) as exc:
        words = str(exc).strip().splitlines() or [type(exc).__name__]
        raise ImportFailed(f"{path.name} is damaged or no ONNX network ({words[0]})") from exc


def _refuse_external(model: Any) -> None:
    from onnx.external_data_helper import uses_external_data

    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        raise ImportFailed(
            "the weights are in other files than the .onnx; save it as one file "
            "(onnx.save with save_as_external_data=False)"
        )


def _fix_input(model: Any, size: int | None) -> None:
    """One input, of one picture, of a size that is known."""
    names = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in names]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ImportFailed(
            f"the network has {len(inputs)} inputs and {len(model.graph.output)} outputs "
            f"({', '.join(entry.name for entry in (*inputs, *model.graph.output))}); a face "
            "network has one of each"
        )
    dims = inputs[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ImportFailed(
            f"the input has {len(dims)} dimensions; a face network takes [1, 3, S, S]"
        )
    dims[0].dim_value = 1
    for dim in dims[2:]:
        if not dim.dim_value and size is None:
            raise ImportFailed(
                "the network leaves the size of the picture open (a dynamic shape); name it with "
                "--size"
            )
        dim.dim_value = dim.dim_value or size
    # Said for another batch, perhaps; they are inferred again.
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")


class _Reader:
    """Nodes one after the other: constants are computed, the rest become operations."""

    def __init__(self, model: Any) -> None:
        import onnx

        self.onnx, self.graph = onnx, model.graph
        self.opset = next(entry.version for entry in model.opset_import if not entry.domain)
        self.constants: dict[str, Any] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        entries = (*model.graph.input, *model.graph.value_info, *model.graph.output)
        self.shapes = {entry.name: shape for entry in entries if (shape := _shape(entry))}
        self.same: dict[str, str] = {}
        self.makers: dict[str, Operation] = {}

    def network(self) -> Network:
        operations = [op for node in self.graph.node for op in self.read(node)]
        start = next(e.name for e in self.graph.input if e.name not in self.constants)
        end = self.graph.output[0].name
        known = {
            name: np.asarray(value, np.float32) if value.dtype.kind == "f" else value
            for name, value in self.constants.items()
        }
        return Network(start, self.same.get(end, end), tuple(operations), known, self.shapes)

    def read(self, node: Any) -> Iterator[Operation]:
        inputs = [self.same.get(name, name) for name in node.input]
        attributes = {
            entry.name: _plain(self.onnx.helper.get_attribute_value(entry))
            for entry in node.attribute
        }
        output = node.output[0]
        if node.domain not in ("", "ai.onnx"):
            raise ImportFailed(
                f"the network uses {node.op_type} of {node.domain}, not of ONNX itself"
            )
        if node.op_type == "Shape" and inputs[0] in self.shapes:
            self.constants[output] = np.array(self.shapes[inputs[0]], np.int64)
        elif all(name in self.constants for name in inputs if name):
            self.constants[output] = self.evaluate(node, inputs)
        elif node.op_type in DROPPED:
            self.same[output] = inputs[0]
        elif output not in self.shapes or min(self.shapes[output]) < 1:
            raise ImportFailed(
                f"the shape behind {node.op_type} ({output}) depends on the input: dynamic shapes "
                "are not supported"
            )
        else:
            operation = self.translate(node.op_type, inputs, output, attributes)
            self.makers[output] = operation
            yield operation

    def evaluate(self, node: Any, inputs: list[str]) -> Any:
        """The value of an operation on constants, by ONNX's own reference implementation."""
        from onnx.reference import ReferenceEvaluator

        helper = self.onnx.helper
        values = {
            theirs: self.constants[ours]
            for theirs, ours in zip(node.input, inputs, strict=True)
            if theirs
        }
        if sum(value.size for value in values.values()) > LARGEST_FOLDED:
            raise ValueError(f"{node.op_type} computes with too many constants")
        described = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), None)
            for name, value in values.items()
        ]
        result = helper.make_empty_tensor_value_info(node.output[0])
        graph = helper.make_graph([node], "constant", described, [result])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        results: Any = ReferenceEvaluator(model).run(None, values)
        return np.asarray(results[0])

    def translate(
        self, kind: str, inputs: list[str], output: str, attributes: dict[str, Any]
    ) -> Operation:
        """The operation in the words of `network`."""
        if kind == "Div" and self.length_of(inputs[1]) == inputs[0]:
            kind, inputs, attributes = NORMALIZE, inputs[:1], {"axis": 1, "p": 2}
        elif kind in ("Sub", "Div"):
            kind, inputs = self.inverse(kind, inputs)
        elif kind in ("Gemm", "MatMul"):
            kind, inputs = "Dense", self.dense(inputs, output, attributes)
        elif kind == "Clip" and len(inputs) > 1:
            limits = zip(("min", "max"), inputs[1:], strict=False)
            attributes = {side: float(self.constants[name]) for side, name in limits if name}
            inputs = inputs[:1]
        elif kind == "Pad":
            if _plain(attributes.get("mode", "constant")) != "constant":
                raise ImportFailed("the network pads by reflection, which is not supported")
            pads = self.constants[inputs[1]].tolist() if len(inputs) > 1 else attributes["pads"]
            fill = float(self.constants[inputs[2]]) if len(inputs) > 2 and inputs[2] else 0.0
            attributes, inputs = {"pads": pads, "value": fill}, inputs[:1]
        elif kind in ("Reshape", "Squeeze", "Unsqueeze", "Flatten"):
            attributes, inputs = {}, inputs[:1]
        elif kind == "ReduceMean" and len(inputs) > 1:
            attributes, inputs = (
                attributes | {"axes": self.constants[inputs[1]].tolist()},
                inputs[:1],
            )
        elif kind in ("Conv", "AveragePool", "MaxPool") and attributes.get(
            "auto_pad", "NOTSET"
        ) not in (
            "NOTSET",
            "VALID",
        ):
            raise ImportFailed(f"the network pads by {attributes['auto_pad']}; export it with pads")
        return Operation(kind, tuple(inputs), output, attributes)

    def length_of(self, name: str) -> str | None:
        """The tensor whose L2 norm this is, as PyTorch writes it: from below limited, repeated."""
        while name in self.makers and self.makers[name].kind in ("Clip", "Expand"):
            name = self.makers[name].inputs[0]
        maker = self.makers.get(name)
        if maker is None or maker.kind != "ReduceL2":
            return None
        axes = maker.attributes.get("axes") or self.constants[maker.inputs[1]].tolist()
        return maker.inputs[0] if axes in ([1], [-1]) else None

    def inverse(self, kind: str, inputs: list[str]) -> tuple[str, list[str]]:
        """x - c and x / c as a sum and a product."""
        if inputs[1] not in self.constants:
            raise ImportFailed(f"the network uses {kind} of two tensors, which is not supported")
        name = f"{inputs[1]}/{kind}"
        value = self.constants[inputs[1]]
        self.constants[name] = -value if kind == "Sub" else 1 / value
        return ("Add" if kind == "Sub" else "Mul"), [inputs[0], name]

    def dense(self, inputs: list[str], output: str, attributes: dict[str, Any]) -> list[str]:
        """alpha * x @ w + beta * b with w as [in,out]."""
        if inputs[1] not in self.constants or attributes.get("transA", 0):
            raise ImportFailed("the network multiplies two tensors, which is not supported")
        kernel = self.constants[inputs[1]] * attributes.get("alpha", 1.0)
        self.constants[f"{output}/dense"] = kernel.T if attributes.get("transB", 0) else kernel
        result = [inputs[0], f"{output}/dense"]
        if len(inputs) > 2:
            bias = self.constants[inputs[2]] * attributes.get("beta", 1.0)
            self.constants[f"{output}/dense_bias"] = (
                np.broadcast_to(bias, kernel.shape[:1]) if (bias.size == 1) else bias
            )
            result.append(f"{output}/dense_bias")
        return result


def _shape(entry: Any) -> tuple[int, ...]:
    return tuple(int(dim.dim_value) for dim in entry.type.tensor_type.shape.dim)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
