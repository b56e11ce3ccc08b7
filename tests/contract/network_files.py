"""Writes a `Network` as ONNX, and FaceNet and a small face network as networks."""

from pathlib import Path
from typing import Any

import numpy as np

from tools.import_model.inception_resnet_v1 import BLOCK8, BLOCK17, BLOCK35, RESIDUAL_SCALE
from tools.import_model.network import Array, Network, Operation

SIZE = 16


def write_onnx(path: Path, network: Network, **changes: Any) -> Path:
    """The network as PyTorch exports one. changes: `batch` and `size` of the input's shape."""
    import onnx
    from onnx import helper, numpy_helper

    shape = [
        changes.get("batch", "batch"),
        3,
        *[changes.get("size", side) for side in network.shapes[network.input][2:]],
    ]
    nodes, constants = [], dict(network.constants)
    for op in network.operations:
        kind, inputs = ("Gemm", op.inputs) if op.kind == "Dense" else (op.kind, op.inputs)
        attributes = dict(op.attributes)
        if kind == "Reshape":
            inputs = (*inputs, f"{op.output}/shape")
            constants[inputs[1]] = np.array([-1, *attributes.pop("shape")[1:]], np.int64)
        if kind == "PRelu":  # ONNX broadcasts from the end
            slope = constants[inputs[1]]
            constants[inputs[1]] = slope.reshape(-1, 1, 1)
        if kind in ("AveragePool", "MaxPool", "Conv"):
            attributes.pop("ceil_mode", None) if kind == "Conv" else attributes.pop("dilations", 0)
        if kind == "MaxPool":
            attributes.pop("count_include_pad", None)
        if kind == "LpNormalization":
            nodes += _divided_by_length(op, constants)
            continue
        nodes.append(helper.make_node(kind, list(inputs), [op.output], **attributes))
    weights = [numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()]
    output = ["batch", *network.shapes[network.output][1:]]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(network.input, onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(network.output, onnx.TensorProto.FLOAT, output)],
        weights,
        value_info=[
            helper.make_tensor_value_info(entry.name, entry.data_type, entry.dims)
            for entry in weights
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def _divided_by_length(op: Operation, constants: dict[str, Array]) -> list[Any]:
    """What PyTorch makes of `functional.normalize`."""
    from onnx import helper

    (x,), name = op.inputs, op.output
    constants[f"{name}/least"] = np.float32(1e-12)
    return [
        helper.make_node("ReduceL2", [x], [f"{name}/length"], axes=[1], keepdims=1),
        helper.make_node("Clip", [f"{name}/length", f"{name}/least"], [f"{name}/limited"]),
        helper.make_node("Shape", [x], [f"{name}/shape"]),
        helper.make_node("Expand", [f"{name}/limited", f"{name}/shape"], [f"{name}/wide"]),
        helper.make_node("Div", [x, f"{name}/wide"], [name]),
    ]


class Maker:
    """Makes a network operation by operation; shapes are said, not computed."""

    def __init__(self, size: int) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"input": (1, 3, size, size)}

    def add(
        self, kind: str, inputs: list[str], shape: tuple[int, ...], *arrays: Array, **more: Any
    ) -> str:
        output = f"{kind}_{len(self.operations)}"
        names = [f"{output}/{number}" for number in range(len(arrays))]
        self.constants |= dict(zip(names, arrays, strict=True))
        self.operations.append(Operation(kind, (*inputs, *names), output, more))
        self.shapes[output] = shape
        return output

    def conv(self, x: str, kernel: Array, *bias: Array, **more: Any) -> str:
        """kernel: [out,in,H,W]."""
        strides, pads = more.setdefault("strides", [1, 1]), more.setdefault("pads", [0] * 4)
        sides = [
            (side + pads[i] + pads[i + 2] - kernel.shape[i + 2]) // strides[i] + 1
            for i, side in enumerate(self.shapes[x][2:])
        ]
        return self.add("Conv", [x], (1, kernel.shape[0], *sides), kernel, *bias, **more)

    def same(self, kind: str, *inputs: str, arrays: tuple[Array, ...] = (), **more: Any) -> str:
        return self.add(kind, list(inputs), self.shapes[inputs[0]], *arrays, **more)

    def network(self, output: str) -> Network:
        return Network("input", output, tuple(self.operations), self.constants, self.shapes)


def small_network(seed: int = 0, *, scaled: bool = True) -> Network:
    """The parts of face networks: scaling, batch norm, PReLU, depthwise, gate, residual, dense."""
    rng, make = np.random.default_rng(seed), Maker(SIZE)

    def noise(*shape: int, scale: float = 0.3) -> Array:
        return rng.normal(0, scale, shape).astype(np.float32)

    def norm(x: str) -> str:
        channels = make.shapes[x][1]
        spread = np.exp(noise(channels, scale=1.5))  # uneven, as equalization finds them
        arrays = (spread, noise(channels), noise(channels), np.ones_like(spread))
        return make.same("BatchNormalization", x, arrays=arrays, epsilon=1e-5)

    x = "input"
    if scaled:
        x = make.same("Sub", x, arrays=(np.float32([[[[127.5]]]]),))
        x = make.same("Mul", x, arrays=(np.float32([[[[1 / 128]]]]),))
    x = norm(make.conv(x, noise(8, 3, 3, 3), pads=[1] * 4, strides=[2, 2]))
    x = make.same("PRelu", x, arrays=(np.abs(noise(8)).reshape(8, 1, 1),))
    y = norm(make.conv(x, noise(8, 1, 3, 3), pads=[1] * 4, group=8))
    y = make.same("LeakyRelu", norm(make.conv(y, noise(8, 8, 1, 1))), alpha=0.2)
    gate = make.add("GlobalAveragePool", [y], (1, 8, 1, 1))
    gate = make.same("Sigmoid", make.conv(gate, noise(8, 8, 1, 1), noise(8)))
    y = make.same("Mul", y, gate)
    x = make.same("Add", x, y)
    x = make.conv(x, noise(12, 8, 8, 8), noise(12))
    x = make.add("Flatten", [x], (1, 12))
    x = make.add("Dense", [x], (1, 10), noise(12, 10), noise(10))
    return make.network(norm(x))


def facenet_network(arrays: dict[str, np.ndarray]) -> Network:
    """Inception-ResNet-v1 as PyTorch would export it, for (x - 127.5) / 128."""
    make = Maker(160)

    def norm(x: str, layer: str) -> str:
        beta = arrays[f"{layer}_BatchNorm_beta"]
        mean, variance = (arrays[f"{layer}_BatchNorm_moving_{x}"] for x in ("mean", "variance"))
        given = (np.ones_like(beta), beta, mean, variance)
        return make.same("BatchNormalization", x, arrays=given, epsilon=1e-3)

    def conv(x: str, layer: str, stride: int = 1, *, valid: bool = False) -> str:
        kernel = arrays[f"{layer}_kernel"].transpose(3, 2, 0, 1)
        halves = [0, 0] if valid else [side // 2 for side in kernel.shape[2:]]
        x = make.conv(x, kernel, pads=[*halves, *halves], strides=[stride, stride])
        return make.same("Relu", norm(x, layer))

    def pool(x: str) -> str:
        _, channels, rows, columns = make.shapes[x]
        shape = (1, channels, (rows - 3) // 2 + 1, (columns - 3) // 2 + 1)
        return make.add("MaxPool", [x], shape, kernel_shape=[3, 3], strides=[2, 2])

    def join(*parts: str) -> str:
        shapes = [make.shapes[part] for part in parts]
        shape = (1, sum(shape[1] for shape in shapes), *shapes[0][2:])
        return make.add("Concat", list(parts), shape, axis=1)

    def chain(x: str, prefix: str, steps: list[str]) -> str:
        for step in steps:
            x = conv(x, f"{prefix}_{step}")
        return x

    def block(x: str, name: str, branches: list[list[str]], scale: float, relu: bool = True) -> str:
        y = join(*(chain(x, f"{name}_Branch_{i}", steps) for i, steps in enumerate(branches)))
        kernel = arrays[f"{name}_Conv2d_1x1_kernel"].transpose(3, 2, 0, 1)
        y = make.conv(y, kernel, arrays[f"{name}_Conv2d_1x1_bias"])
        y = make.same("Mul", y, arrays=(np.float32([scale]),))
        x = make.same("Add", y, x)
        return make.same("Relu", x) if relu else x

    x = conv("input", "Conv2d_1a_3x3", 2, valid=True)
    x = conv(conv(x, "Conv2d_2a_3x3", valid=True), "Conv2d_2b_3x3")
    x = conv(conv(pool(x), "Conv2d_3b_1x1"), "Conv2d_4a_3x3", valid=True)
    x = conv(x, "Conv2d_4b_3x3", 2, valid=True)
    for number in range(1, 6):
        x = block(x, f"Block35_{number}", BLOCK35, RESIDUAL_SCALE["Block35"])
    first = conv(x, "Mixed_6a_Branch_0_Conv2d_1a_3x3", 2, valid=True)
    second = chain(x, "Mixed_6a_Branch_1", ["Conv2d_0a_1x1", "Conv2d_0b_3x3"])
    x = join(first, conv(second, "Mixed_6a_Branch_1_Conv2d_1a_3x3", 2, valid=True), pool(x))
    for number in range(1, 11):
        x = block(x, f"Block17_{number}", BLOCK17, RESIDUAL_SCALE["Block17"])
    ways = [["Conv2d_0a_1x1"], ["Conv2d_0a_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_3x3"]]
    last = []
    for i, steps in enumerate(ways):
        end = chain(x, f"Mixed_7a_Branch_{i}", steps)
        last.append(conv(end, f"Mixed_7a_Branch_{i}_Conv2d_1a_3x3", 2, valid=True))
    x = join(*last, pool(x))
    for number in range(1, 6):
        x = block(x, f"Block8_{number}", BLOCK8, RESIDUAL_SCALE["Block8"])
    x = block(x, "Block8_6", BLOCK8, 1.0, relu=False)
    x = make.add("GlobalAveragePool", [x], (1, 1792, 1, 1))
    x = make.add("Flatten", [x], (1, 1792))
    x = make.add("Dense", [x], (1, 512), arrays["Bottleneck_kernel"])
    x = norm(x, "Bottleneck")
    return make.network(make.same("LpNormalization", x, axis=1, p=2))
