"""The arrays of Inception-ResNet-v1 under the names that each framework gives them.

Every form of the same weights becomes the same arrays under the names of `inception_resnet_v1`,
and so one graph, the same LiteRT files and the same contract. Keras' layers (keras-facenet's and
deepface's) have these names already.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.import_model.errors import ImportFailed
from tools.import_model.inception_resnet_v1 import BLOCK8, BLOCK17, BLOCK35
from tools.import_model.network import Network

Array = NDArray[np.float32]

# davidsandberg/facenet, src/models/inception_resnet_v1.py
TENSORFLOW_SCOPE = "InceptionResnetV1/"
TENSORFLOW_ENDS = {"weights": "kernel", "biases": "bias"}

# timesler/facenet-pytorch, models/inception_resnet_v1.py
TORCH_STEM = {
    f"conv2d_{step}": f"Conv2d_{step}_{kernel}"
    for step, kernel in (
        ("1a", "3x3"),
        ("2a", "3x3"),
        ("2b", "3x3"),
        ("3b", "1x1"),
        ("4a", "3x3"),
        ("4b", "3x3"),
    )
}
_IN, _OUT = "Conv2d_0a_1x1", "Conv2d_1a_3x3"
TORCH_BRANCHES = {
    "repeat_1": ("Block35", BLOCK35),
    "repeat_2": ("Block17", BLOCK17),
    "repeat_3": ("Block8", BLOCK8),
    "block8": ("Block8_6", BLOCK8),
    "mixed_6a": ("Mixed_6a", [[_OUT], [_IN, "Conv2d_0b_3x3", _OUT]]),
    "mixed_7a": ("Mixed_7a", [[_IN, _OUT], [_IN, _OUT], [_IN, "Conv2d_0b_3x3", _OUT]]),
}
# As a picture passes them, and how often each is repeated under a number.
TORCH_ORDER = (
    ("repeat_1", 5),
    ("mixed_6a", 0),
    ("repeat_2", 10),
    ("mixed_7a", 0),
    ("repeat_3", 5),
    ("block8", 0),
)
TORCH_MODULE = re.compile(
    r"(?P<group>repeat_[123]|block8|mixed_6a|mixed_7a)(?:\.(?P<number>\d+))?"
    r"\.(?:conv2d|branch(?P<branch>\d)(?:\.(?P<step>\d))?)"
)
TORCH_NORM = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def from_tensorflow(variables: Mapping[str, Array]) -> dict[str, Array]:
    """Our names for a TensorFlow graph's variables; what is not the network's is left out."""
    return {
        _from_scope(name.partition(TENSORFLOW_SCOPE)[2]): value
        for name, value in variables.items()
        if TENSORFLOW_SCOPE in name
    }


def _from_scope(name: str) -> str:
    """`Repeat_1/block17_2/Branch_0/Conv2d_1x1/weights`: `Block17_2_Branch_0_Conv2d_1x1_kernel`."""
    name = re.sub(r"^Repeat(_\d)?/block", "Block", re.sub(r"^Block8/", "Block8_6/", name))
    scope, _, end = name.rpartition("/")
    return "_".join([*scope.split("/"), TENSORFLOW_ENDS.get(end, end)])


def from_torch(state: Mapping[str, Any]) -> dict[str, Array]:
    """Our names and layouts for facenet-pytorch's state dictionary.

    Kernels become HWIO, the last layer [in,out]. Our batch norm has no gamma: one that is not 1,
    as training in PyTorch leaves it, goes into kernel and mean, which is the same function.
    Raises ImportFailed for a state dictionary of another network.
    """
    if "last_linear.weight" not in state:
        raise ImportFailed(
            "the state dictionary is not facenet-pytorch's InceptionResnetV1 (it has no "
            "last_linear.weight); export another network as ONNX and import that"
        )
    arrays: dict[str, Array] = {}
    for key, value in state.items():
        module, _, end = key.rpartition(".")
        if module.endswith((".conv", ".conv2d")) or module == "last_linear":
            arrays[f"{_torch_layer(module)}_{'bias' if end == 'bias' else 'kernel'}"] = _kernel(
                value
            )
        elif (module.endswith(".bn") or module == "last_bn") and end in TORCH_NORM:
            arrays[f"{_torch_layer(module)}_BatchNorm_{TORCH_NORM[end]}"] = value
    return _without_gamma(arrays, state)


def _without_gamma(arrays: dict[str, Array], state: Mapping[str, Any]) -> dict[str, Array]:
    for key, gamma in state.items():
        module, _, end = key.rpartition(".")
        if end == "weight" and (module.endswith(".bn") or module == "last_bn"):
            _absorb_gamma(arrays, _torch_layer(module), gamma)
    return arrays


def _absorb_gamma(arrays: dict[str, Array], layer: str, gamma: Array) -> None:
    if not np.array_equal(gamma, np.ones_like(gamma)):
        for name in (f"{layer}_kernel", f"{layer}_BatchNorm_moving_mean"):
            arrays[name] = arrays[name] * gamma


def from_network(network: Network) -> dict[str, Array]:
    """Our names and layouts for an ONNX network whose batch norm was not folded.

    Its layers are known by their order, as PyTorch exports them. Whether it is the same function is
    for the caller to see. Raises ValueError where there are more layers or fewer.
    """
    constants = network.constants
    norms = {op.inputs[0]: op for op in network.operations if op.kind == "BatchNormalization"}
    layers = [op for op in network.operations if op.kind in ("Conv", "Dense")]
    arrays: dict[str, Array] = {}
    for layer, op in zip(_layers_in_order(), layers, strict=True):
        kernel = constants[op.inputs[1]]
        arrays[f"{layer}_kernel"] = _kernel(kernel) if op.kind == "Conv" else kernel
        if len(op.inputs) > 2:
            arrays[f"{layer}_bias"] = constants[op.inputs[2]]
        if op.output in norms:
            gamma, *rest = (constants[name] for name in norms[op.output].inputs[1:])
            for end, value in zip(TORCH_NORM.values(), rest, strict=True):  # ONNX's order too
                arrays[f"{layer}_BatchNorm_{end}"] = value
            _absorb_gamma(arrays, layer, gamma)
    return arrays


def _layers_in_order() -> Iterator[str]:
    """Every layer with weights as a picture passes them, those side by side in their order."""
    yield from TORCH_STEM.values()
    for group, count in TORCH_ORDER:
        prefix, branches = TORCH_BRANCHES[group]
        for name in [f"{prefix}_{number + 1}" for number in range(count)] or [prefix]:
            for number, steps in enumerate(branches):
                yield from (f"{name}_Branch_{number}_{step}" for step in steps)
            if name.startswith("Block"):
                yield f"{name}_Conv2d_1x1"
    yield "Bottleneck"


def _torch_layer(module: str) -> str:
    """`repeat_2.1.branch1.2.conv` -> `Block17_2_Branch_1_Conv2d_0c_7x1`."""
    name = re.sub(r"\.(conv|bn)$", "", module)
    if name in ("last_linear", "last_bn"):
        return "Bottleneck"
    if name in TORCH_STEM:
        return TORCH_STEM[name]
    found = TORCH_MODULE.fullmatch(name)
    if not found:
        return module  # not the network's
    prefix, branches = TORCH_BRANCHES[found["group"]]
    if found["number"]:
        prefix = f"{prefix}_{int(found['number']) + 1}"
    if found["branch"] is None:
        return f"{prefix}_Conv2d_1x1"
    steps = dict(enumerate(dict(enumerate(branches)).get(int(found["branch"]), [])))
    step = steps.get(int(found["step"] or 0), "unknown")
    return f"{prefix}_Branch_{found['branch']}_{step}"


def _kernel(value: Array) -> Array:
    if value.ndim == 4:  # OIHW
        return np.ascontiguousarray(value.transpose(2, 3, 1, 0))
    return np.ascontiguousarray(value.T)
