"""A start compares one answer with the manifest, and refuses to confuse faces.

Each test breaks one thing that leaves unit vectors of the right size, so that nothing else tells.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handler.cold_start import start
from handler.faces.service import BrokenService
from model_layer import ModelUnavailable, load, model
from model_layer.distance import normalise
from model_layer.files import MODELS, bundled_models, sha256_of
from model_layer.manifest import read_manifest
from model_layer.standardize import check_chip

FILE = "int8.tflite"
BUNDLED = MODELS / bundled_models()[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled model, to break."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_bundled_model_knows_its_answer() -> None:
    loaded = load(BUNDLED)
    expected = loaded.manifest.check[loaded.precision]
    vector = normalise(loaded.answer_raw(check_chip(loaded.input_size)[None]))[0]
    assert model.deviation(vector, expected) <= model.CHECK_TOLERANCE


def test_broken_weights_ring(folder: Path) -> None:
    """Their digest is right, as if the wrong file had been described."""
    path = folder / FILE
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(7)
    for at in rng.integers(len(data) // 4, len(data) * 3 // 4, 20_000):
        data[at] = rng.integers(256)
    path.write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = {**manifest["files"]["int8"], "sha256": sha256_of(path)}
    rewrite(folder, files={**manifest["files"], "int8": entry})
    with pytest.raises(ModelUnavailable):
        load(folder)


class EveryFaceAlike:
    """What an int8 network answered under qemu's `-cpu max`: one direction for every face."""

    def embed(self, chips: np.ndarray) -> np.ndarray:
        return np.tile(np.linspace(1, 2, self.dimension, dtype=np.float32), (len(chips), 1))

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension


class NotANumber(EveryFaceAlike):
    def embed(self, chips: np.ndarray) -> np.ndarray:
        return np.full((len(chips), self.dimension), np.nan, np.float32)


@pytest.mark.parametrize("engine", [EveryFaceAlike, NotANumber])
def test_broken_kernels_ring(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(BUNDLED)
    entry = manifest.files["int8"]
    broken = engine(manifest.embedding.dimension)
    monkeypatch.setattr(model, "open_engine", lambda *_: (broken, "int8", entry))
    with pytest.raises(ModelUnavailable, match="wrong embedding of the known check chip"):
        load(BUNDLED)


def test_another_standardization_rings(folder: Path) -> None:
    loaded = load(folder)
    other = "prewhiten" if loaded.manifest.input.standardization == "fixed" else "fixed"
    given = json.loads((folder / "manifest.json").read_text())["input"]
    rewrite(folder, input={**given, "standardization": other})
    with pytest.raises(ModelUnavailable, match="check chip"):
        load(folder)


def test_another_colour_order_rings(folder: Path) -> None:
    given = json.loads((folder / "manifest.json").read_text())["input"]
    rewrite(folder, input={**given, "colour_order": "BGR"})
    with pytest.raises(ModelUnavailable, match="check chip"):
        load(folder)


def test_the_check_costs_no_second_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(BUNDLED)
    calls: list[int] = []

    class Counting:
        def embed(self, chips: np.ndarray) -> np.ndarray:
            calls.append(len(chips))
            return loaded.engine.embed(chips)

    entry = loaded.manifest.files["int8"]
    monkeypatch.setattr(model, "open_engine", lambda *_: (Counting(), "int8", entry))
    load(BUNDLED)
    assert calls == [1]


def test_a_start_with_broken_kernels_answers_model_unavailable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_manifest(BUNDLED)
    broken = EveryFaceAlike(manifest.embedding.dimension)
    opened = (broken, "int8", manifest.files["int8"])
    monkeypatch.setattr(model, "open_engine", lambda *_: opened)
    service = start()
    assert isinstance(service, BrokenService)
    assert service.failure.code == "ModelUnavailable"
    assert "check chip" in service.failure.message
    assert '"code":"ModelUnavailable"' in capsys.readouterr().out
