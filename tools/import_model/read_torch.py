"""PyTorch's state dictionaries, read without PyTorch and without running anything in the file.

Both layouts are read: the zip of PyTorch 1.6 and later, and the stream of pickles from before
(facenet-pytorch's releases). Layouts: torch/serialization.py of pytorch/pytorch.
"""

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tools.import_model.errors import ImportFailed
from tools.import_model.pickle_machine import LARGEST_PROGRAM, Tensor, run

# The first number of the old layout.
MAGIC = 0x1950A86A20F9469CFC6C
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
