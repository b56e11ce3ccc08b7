"""Pickles of tensors, run by a machine that knows no function.

A pickle is a program for a small machine that can be told to call any Python function. The machine
here knows the handful of instructions that `torch.save` writes for a dictionary of tensors. It
names and refuses whatever else is in the program.
"""

import io
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from tools.import_model.errors import ImportFailed

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


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    whole = all(isinstance(number, int) for number in (offset, *shape, *strides))
    if not isinstance(storage, Storage) or not whole:
        raise ValueError("a tensor has no storage or no shape")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


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
            self.stack.append(_tensor(*arguments[:4]))
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
