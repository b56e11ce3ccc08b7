"""PyTorch's state dictionaries, read without PyTorch and without running anything in the file.

A `.pt` is a pickle, a program for a small machine that can be told to call any Python function.
The machine here knows the handful of instructions that `torch.save` writes for a dictionary of
tensors, and no function at all: whatever else is in the file is named and refused. Both layouts
are read: the zip of PyTorch 1.6 and later, and the stream of pickles from before (facenet-pytorch's
releases). Layouts: torch/serialization.py of pytorch/pytorch.
"""

import io
import math
import pickletools
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tools.import_model.errors import ImportFailed

# The first number of the old layout.
MAGIC = 0x1950A86A20F9469CFC6C
# Instructions and names of a few hundred tensors take about 100 kB.
LARGEST_PROGRAM = 8 << 20
DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "BoolStorage": np.dtype("bool"),
}
TENSOR = "torch._utils _rebuild_tensor_v2"
PARAMETER = "torch._utils _rebuild_parameter"
ORDERED_DICT = "collections OrderedDict"


# What reading a damaged file may raise, in whichever part.
DAMAGE = (
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    RuntimeError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Global:
    """The name of something outside the file: `module name`."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file. length: how many."""

    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: offset, shape and strides in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where a tuple or a run of dictionary items begins on the stack."""


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dictionary, or of the one under `state_dict`, by name.

    Raises ImportFailed: damaged, cut short, compressed, or anything but a dictionary of tensors.
    """
    try:
        with path.open("rb") as stream:
            if zipfile.is_zipfile(stream):
                return _read_zip(path)
            stream.seek(0)
            return _read_stream(stream, path.stat().st_size)
    except DAMAGE as exc:
        raise ImportFailed(
            f"{path.name} is damaged or no PyTorch state dictionary ({exc}); download it again"
        ) from exc


def _read_zip(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        _refuse_compressed(path, archive.infolist())
        program = members["data.pkl"]
        if program.file_size > LARGEST_PROGRAM:
            raise ValueError("its data.pkl is too large")
        tensors = _tensors(run(io.BytesIO(archive.read(program))))
        data = {
            tensor.storage.key: archive.read(members[f"data/{tensor.storage.key}"])
            for tensor in tensors.values()
        }
    return {name: _view(tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}


def _refuse_compressed(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """torch.save compresses nothing, so that no member is larger than the file."""
    packed = any(info.compress_type != zipfile.ZIP_STORED for info in members)
    if packed or sum(info.file_size for info in members) > path.stat().st_size:
        raise ImportFailed(
            f"{path.name} holds compressed or overlapping members, which torch.save never writes; "
            "unpack a .zip around the .pt first"
        )


def _read_stream(stream: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    """Magic number, version, platform, dictionary, keys of the storages, then their numbers."""
    if run(stream) != MAGIC:
        raise ValueError("it is neither a zip nor a stream of PyTorch")
    run(stream), run(stream)
    tensors = _tensors(run(stream))
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    data = {}
    for key in run(stream):
        length = int.from_bytes(_exactly(stream, 8, size), "little")
        if key not in storages or length != storages[key].length:
            raise ValueError(f"storage {key} is not the one that the dictionary names")
        data[key] = _exactly(stream, length * storages[key].dtype.itemsize, size)
    return {name: _view(tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}


def _exactly(stream: BinaryIO, count: int, limit: int) -> bytes:
    content = stream.read(count) if count <= limit else b""
    if len(content) != count:
        raise ValueError("it ends too early")
    return content


def _tensors(value: Any) -> dict[str, Tensor]:
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    found = {}
    if isinstance(value, dict):
        found = {name: item for name, item in value.items() if isinstance(item, Tensor)}
    if not found:
        raise ImportFailed(
            "the file holds no dictionary of tensors; save model.state_dict(), not the model"
        )
    return found


def _view(tensor: Tensor, data: bytes) -> NDArray[Any]:
    """A copy of the tensor; numbers that are not integers as float32."""
    numbers = np.frombuffer(data, tensor.storage.dtype)
    shape, strides = tensor.shape, tensor.strides
    count = math.prod(shape)
    last = tensor.offset + sum(
        (side - 1) * stride for side, stride in zip(shape, strides, strict=True)
    )
    if min((tensor.offset, *shape, *strides)) < 0 or count > len(numbers):
        raise ValueError("a tensor is larger than its storage")
    if count and last >= len(numbers):
        raise ValueError("a tensor reaches beyond its storage")
    width = numbers.itemsize
    part = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], shape, [stride * width for stride in strides]
    )
    kind = np.float32 if numbers.dtype.kind == "f" else numbers.dtype
    return np.array(part, dtype=kind, order="C")


def run(stream: BinaryIO) -> Any:
    """The value of the next pickle of the stream, made of dicts, lists, tuples, text, numbers and
    `Tensor`. Raises ImportFailed where it asks for a function, ValueError where it is damaged."""
    start = stream.tell()
    # In memory, where a length that is a lie allocates nothing.
    program = io.BytesIO(stream.read(LARGEST_PROGRAM))
    machine = _Machine()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python, about text in damaged files
        for opcode, argument, _ in pickletools.genops(program):
            machine.step(opcode.name, argument)
    stream.seek(start + program.tell())
    return machine.stack.pop()


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in IGNORED:
            return
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in LITERALS:
            self.stack.append(argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        else:
            raise ImportFailed(
                f"the file holds the pickle instruction {name}, which no dictionary of tensors "
                "needs; save model.state_dict() with torch.save"
            )

    def name_global(self, argument: str) -> None:
        self.stack.append(Global(argument))

    def name_from_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Global(f"{module} {name}"))

    def since_mark(self) -> list[Any]:
        place = len(self.stack) - 1 - self.stack[::-1].index(_Mark)
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def make_tuple(self, count: int | None) -> None:
        if count is None:
            self.stack.append(tuple(self.since_mark()))
            return
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise ValueError("a tuple lacks items")
        self.stack[-count:] = [items]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(target, dict) or not isinstance(key, str | int):
                raise ValueError("a dictionary has a key that is no text")
            target[key] = value

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("something is appended to what is no list")
        self.stack[-1].extend(items)

    def remember(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def load_storage(self, _: Any) -> None:
        kind, storage, key, _, length, *_ = self.stack.pop()
        module, _, name = (storage.name if isinstance(storage, Global) else "").partition(" ")
        if kind != "storage" or module != "torch" or name not in DTYPES:
            raise ImportFailed(f"the file holds numbers of an unsupported kind, {module}.{name}")
        self.stack.append(Storage(str(key), DTYPES[name], int(length)))

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        name = function.name if isinstance(function, Global) else repr(function)
        if name == ORDERED_DICT and not arguments:
            self.stack.append({})
        elif name == TENSOR:
            storage, offset, shape, strides, *_ = arguments
            whole = all(isinstance(number, int) for number in (offset, *shape, *strides))
            if not isinstance(storage, Storage) or not whole:
                raise ValueError("a tensor has no storage or no shape")
            self.stack.append(Tensor(storage, offset, tuple(shape), tuple(strides)))
        elif name == PARAMETER:
            self.stack.append(arguments[0])
        else:
            raise ImportFailed(
                f"the file would call {name.replace(' ', '.')} when PyTorch opens it: it holds "
                "code, not only weights. Do not open it with torch.load; save "
                "model.state_dict() with torch.save and import that"
            )


IGNORED = {"PROTO", "FRAME", "STOP"}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
LITERALS = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
LITERALS |= {"BINSTRING", "SHORT_BINSTRING"}
ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "GLOBAL": _Machine.name_global,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "TUPLE": lambda machine, _: machine.make_tuple(None),
    "TUPLE1": lambda machine, _: machine.make_tuple(1),
    "TUPLE2": lambda machine, _: machine.make_tuple(2),
    "TUPLE3": lambda machine, _: machine.make_tuple(3),
    "SETITEM": lambda machine, _: machine.set_items(_take(machine, 2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append(_take(machine, 1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "BUILD": lambda machine, _: _take(machine, 1).clear(),  # notes of the dictionary: unused
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "BINGET": lambda machine, place: machine.recall(place),
    "LONG_BINGET": lambda machine, place: machine.recall(place),
    "BINPERSID": _Machine.load_storage,
    "REDUCE": _Machine.call,
}


def _take(machine: _Machine, count: int) -> list[Any]:
    items = machine.stack[-count:]
    del machine.stack[-count:]
    return items
