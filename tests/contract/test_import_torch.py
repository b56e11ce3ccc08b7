"""PyTorch's files: the tensors in them are read, and nothing else happens."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.facenet_files import Tensor, pickled_state, torch_names, write_torch
from tools.import_model.errors import ImportFailed
from tools.import_model.read_torch import read_state

STATE = {
    "last_linear.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "bn.running_mean": np.array([0.5, -1.5], np.float32),
    "bn.num_batches_tracked": np.array(7, np.int64),
}
BOTH = pytest.mark.parametrize("old", [False, True], ids=["zip", "stream"])


@BOTH
def test_a_state_dictionary_comes_back_as_arrays(tmp_path: Path, old: bool) -> None:
    found = read_state(write_torch(tmp_path / "x.pt", STATE, old=old))

    assert list(found) == list(STATE)
    for name, array in STATE.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_transposed_tensor_keeps_its_order(tmp_path: Path) -> None:
    """PyTorch stores a view's strides, not a copy."""
    array = STATE["last_linear.weight"]
    path = write_torch(tmp_path / "x.pt", {"w": array.T}, old=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled_state({"w": array.T}, old=False))
        archive.writestr("archive/data/0", array.tobytes())

    np.testing.assert_array_equal(read_state(path)["w"], array.T)


def test_a_checkpoint_with_a_state_dictionary_inside_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with torch_names():
        from tests.contract.facenet_files import Pickler

        inside = OrderedDict(w=Tensor(STATE["bn.running_mean"], "0"))
        Pickler(stream, old=False).dump({"epoch": 3, "state_dict": inside})
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/data/0", STATE["bn.running_mean"].tobytes())

    assert list(read_state(tmp_path / "x.pt")) == ["w"]


class Attack:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@BOTH
def test_code_in_a_file_is_named_and_not_run(tmp_path: Path, old: bool) -> None:
    program = pickle.dumps({"w": Attack(f"touch {tmp_path}/ran")}, 2)
    path = write_torch(tmp_path / "x.pt", STATE, old=old)
    if old:
        head = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {}))
        path.write_bytes(head + program)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)

    with pytest.raises(ImportFailed, match=r"would call (posix|nt)\.system .* holds code"):
        read_state(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_whole_pickled_model_is_refused(tmp_path: Path, protocol: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Path("a model"), protocol))

    with pytest.raises(ImportFailed, match=r"would call|pickle instruction"):
        read_state(tmp_path / "x.pt")


@BOTH
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, old: bool, share: float) -> None:
    path = write_torch(tmp_path / "x.pt", STATE, old=old)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(ImportFailed):
        read_state(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled_state({"w": np.zeros(9)}, old=False))
        archive.writestr("archive/data/0", bytes(50_000_000))
    assert (tmp_path / "x.pt").stat().st_size < 100_000

    with pytest.raises(ImportFailed, match="compressed or overlapping"):
        read_state(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("shape", "strides"), [((10**9, 10**9), (0, 0)), ((2, 3), (10**6, 1)), ((3, -1), (1, 1))]
)
def test_a_tensor_beyond_its_storage_is_refused(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    class Lying(Tensor):
        def __reduce_ex__(self, protocol: Any) -> Any:
            function, (storage, offset, *_) = super().__reduce_ex__(protocol)
            return function, (storage, offset, shape, strides, False, OrderedDict())

    stream = io.BytesIO()
    with torch_names():
        from tests.contract.facenet_files import Pickler

        Pickler(stream, old=False).dump(OrderedDict(w=Lying(np.zeros(6, np.float32), "0")))
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/data/0", bytes(24))

    with pytest.raises(ImportFailed, match="damaged"):
        read_state(tmp_path / "x.pt")


@BOTH
def test_damage_anywhere_is_refused_or_read_but_never_worse(tmp_path: Path, old: bool) -> None:
    path = write_torch(tmp_path / "x.pt", STATE, old=old)
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(400):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read_state(path)
        except ImportFailed:
            continue
