"""Weights are checked, shapes stay warm, batches do not change results."""

import json
from pathlib import Path

import numpy as np
import pytest

from align import networks
from align.networks import BatchedNetwork, ShapedNetwork, WeightsDamaged, read_weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the weights that a test may damage."""
    for file in networks.WEIGHTS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    monkeypatch.setattr(networks, "DIGESTS", tmp_path / "digests.json")
    read_weights.cache_clear()
    yield tmp_path
    read_weights.cache_clear()


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 24, 24, 3)).astype(np.float32)


@pytest.mark.parametrize("net", ["pnet", "rnet", "onet"])
def test_every_listed_file_is_there_and_whole(net: str) -> None:
    entry = json.loads(networks.DIGESTS.read_text())["files"][net]
    assert len(read_weights(net)) == entry["bytes"]


def test_one_changed_byte_is_refused(folder: Path) -> None:
    file = folder / "rnet.tflite"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsDamaged, match=r"rnet\.tflite.*SHA-256"):
        read_weights("rnet")


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "onet.tflite").unlink()
    with pytest.raises(WeightsDamaged, match="onet"):
        read_weights("onet")


@pytest.mark.parametrize("count", [1, 3, 4, 5, 23])
def test_batches_do_not_change_a_result(count: int) -> None:
    one_by_one = BatchedNetwork("rnet", 24, 1, (1,))(crops(count))
    batched = BatchedNetwork("rnet", 24, 1, (4, 16))(crops(count))
    assert batched.shape == (count, 5)
    assert np.allclose(batched, one_by_one, atol=1e-4)


def test_no_crops_give_no_outputs() -> None:
    assert BatchedNetwork("rnet", 24, 1, (1,))(crops(0)).shape == (0, 5)


def test_only_so_many_shapes_stay_warm_and_all_stay_right() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (1, 60, 90, 3), np.uint8)
    network = ShapedNetwork("pnet", 1, warm=2)
    first = network(picture)
    for width in (80, 70, 60, 50):
        network(picture[:, :, :width])
    assert len(network._networks) == 2
    assert np.array_equal(network(picture), first)


def test_large_shapes_do_not_stay_warm_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "WARM_PIXELS", 60 * (90 + 80))
    picture = np.random.default_rng(2).integers(0, 256, (1, 60, 90, 3), np.uint8)
    network = ShapedNetwork("pnet", 1, warm=4)
    for width in (90, 80, 70):
        network(picture[:, :, :width])
    assert list(network._networks) == [(1, 60, 80, 3), (1, 60, 70, 3)]
    network(np.zeros((1, 120, 120, 3), np.uint8))  # more than all may have: it stays alone
    assert list(network._networks) == [(1, 120, 120, 3)]


def test_the_deadline_is_checked_before_each_batch() -> None:
    looks: list[None] = []
    BatchedNetwork("rnet", 24, 1, (1, 4))(crops(6), lambda: looks.append(None))
    assert len(looks) == 3
