"""Writes FaceNet's arrays into the files of other frameworks, as these leave them."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tools.import_model import facenet_names

Arrays = Mapping[str, np.ndarray]
NORM = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
TORCH_VERSION, TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def write_keras(path: Path, arrays: Arrays, *, whole: bool) -> Path:
    """Keras 2's HDF5: `<layer>/<layer>/<array>:0`, under `model_weights` in a whole model."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        if whole:  # with a Lambda layer's code, which nobody may run
            file.attrs["model_config"] = '{"class_name": "Lambda", "function": ["4wEAAAA="]}'
        for name, array in arrays.items():
            layer, end = split(name)
            root.create_dataset(f"{layer}/{layer}/{end}:0", data=array)
        root.create_group("Dropout")
    return path


def split(name: str) -> tuple[str, str]:
    """`Bottleneck_BatchNorm_moving_mean` -> (`Bottleneck_BatchNorm`, `moving_mean`)."""
    for end in ("moving_mean", "moving_variance", "kernel", "bias", "beta"):
        if name.endswith(f"_{end}"):
            return name.removesuffix(f"_{end}"), end
    raise AssertionError(name)


def tensorflow_name(name: str) -> str:
    """Our name of an array as davidsandberg/facenet's variable: the longest way round."""
    layer, end = split(name)
    ends = {"kernel": "weights", "bias": "biases"}
    norm = layer.endswith("_BatchNorm")
    layer = layer.removesuffix("_BatchNorm")
    for kind, scope in (("Block35", "Repeat"), ("Block17", "Repeat_1"), ("Block8", "Repeat_2")):
        if layer.startswith(f"{kind}_"):
            number, _, rest = layer.removeprefix(f"{kind}_").partition("_")
            last = (kind, number) == ("Block8", "6")
            layer = ("Block8/" if last else f"{scope}/{kind.lower()}_{number}/") + rest
    for kind in ("Mixed_6a", "Mixed_7a"):
        layer = layer.replace(f"{kind}_", f"{kind}/")
    for branch in "0123":
        layer = layer.replace(f"Branch_{branch}_", f"Branch_{branch}/")
    return f"{layer}{'/BatchNorm' if norm else ''}/{ends.get(end, end)}"


def torch_modules() -> Iterator[tuple[str, bool]]:
    """Every convolution of facenet-pytorch's InceptionResnetV1, and whether it has batch norm."""
    for name in ("1a", "2a", "2b", "3b", "4a", "4b"):
        yield f"conv2d_{name}", True
    branches = {"repeat_1": (5, [1, 2, 3]), "repeat_2": (10, [1, 3]), "repeat_3": (5, [1, 3])}
    for group, (count, lengths) in branches.items():
        for number in range(count):
            yield from _torch_branches(f"{group}.{number}", lengths)
            yield f"{group}.{number}.conv2d", False
    yield from _torch_branches("block8", [1, 3])
    yield "block8.conv2d", False
    yield from _torch_branches("mixed_6a", [1, 3])
    yield from _torch_branches("mixed_7a", [2, 2, 3])


def _torch_branches(prefix: str, lengths: list[int]) -> Iterator[tuple[str, bool]]:
    for branch, length in enumerate(lengths):
        for step in range(length):
            yield f"{prefix}.branch{branch}" + (f".{step}" if length > 1 else ""), True


def torch_state(arrays: Arrays) -> dict[str, np.ndarray]:
    """facenet-pytorch's state dictionary, with the classifier that its releases carry."""
    state: dict[str, np.ndarray] = {}
    for module, norm in torch_modules():
        layer = facenet_names._torch_layer(module)
        kernel = arrays[f"{layer}_kernel"].transpose(3, 2, 0, 1)
        state[f"{module}.conv.weight" if norm else f"{module}.weight"] = kernel
        if norm:
            state |= _torch_norm(f"{module}.bn", layer, arrays)
        else:
            state[f"{module}.bias"] = arrays[f"{layer}_bias"]
    state["last_linear.weight"] = arrays["Bottleneck_kernel"].T
    state |= _torch_norm("last_bn", "Bottleneck", arrays)
    state["logits.weight"] = np.zeros((7, 512), np.float32)
    state["logits.bias"] = np.zeros(7, np.float32)
    return {name: np.ascontiguousarray(value) for name, value in state.items()}


def _torch_norm(module: str, layer: str, arrays: Arrays) -> dict[str, np.ndarray]:
    norm = {
        f"{module}.{theirs}": arrays[f"{layer}_BatchNorm_{ours}"] for ours, theirs in NORM.items()
    }
    gamma = np.ones_like(norm[f"{module}.bias"])
    batches = np.zeros((), np.int64)
    return {f"{module}.weight": gamma, **norm, f"{module}.num_batches_tracked": batches}


class Storage:
    def __init__(self, array: np.ndarray, key: str) -> None:
        self.array, self.key = array, key


class Tensor:
    def __init__(self, array: np.ndarray, key: str) -> None:
        self.array, self.storage = array, Storage(array, key)

    def __reduce_ex__(self, _: Any) -> Any:
        strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
        function = sys.modules["torch._utils"]._rebuild_tensor_v2
        return function, (self.storage, 0, self.array.shape, strides, False, OrderedDict())


@contextmanager
def torch_names() -> Iterator[None]:
    """Modules with the names that PyTorch's pickles mention, and nothing behind them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch._utils = utils  # type: ignore[attr-defined]
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    kept = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, *, old: bool) -> None:
        super().__init__(stream, protocol=2)
        self.old = old

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        kind = "LongStorage" if value.array.dtype == np.int64 else "FloatStorage"
        named = ("storage", getattr(sys.modules["torch"], kind), value.key, "cpu")
        return (*named, value.array.size, *([None] if self.old else []))


def pickled_state(state: Arrays, *, old: bool) -> bytes:
    tensors = OrderedDict(
        (name, Tensor(array, str(number))) for number, (name, array) in enumerate(state.items())
    )
    stream = io.BytesIO()
    with torch_names():
        Pickler(stream, old=old).dump(tensors)
    return stream.getvalue()


def write_torch(path: Path, state: Arrays, *, old: bool) -> Path:
    """A `.pt` as torch.save writes it: a zip, or `old` the stream from before PyTorch 1.6."""
    program = pickled_state(state, old=old)
    if old:
        head = (TORCH_VERSION, TORCH_PROTOCOL, {"little_endian": True})
        keys = [str(number) for number in range(len(state))]
        parts = [*(pickle.dumps(value, 2) for value in head), program, pickle.dumps(keys, 2)]
        for array in state.values():
            parts += [struct.pack("<q", array.size), array.tobytes()]
        path.write_bytes(b"".join(parts))
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for number, array in enumerate(state.values()):
            archive.writestr(f"archive/data/{number}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path
