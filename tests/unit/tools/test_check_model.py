"""The check of the bundled model finds what is wrong with a model folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_layer.files import BUNDLED
from tools import check_model
from tools.check_model import (
    PARITY,
    CheckError,
    check_accuracy,
    check_digests,
    check_parity,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled model that a test may spoil."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_bundled_files_are_those_of_the_manifest() -> None:
    assert "int8" in check_digests(BUNDLED)


def test_the_bundled_int8_file_answers_as_float32_did() -> None:
    assert "cosine" in check_parity(BUNDLED)


def test_a_changed_file_is_found(folder: Path) -> None:
    content = bytearray((folder / "int8.tflite").read_bytes())
    content[-1] ^= 1
    (folder / "int8.tflite").write_bytes(content)
    with pytest.raises(CheckError, match="does not match the manifest"):
        check_digests(folder)


def test_answers_that_differ_from_float32_are_found(folder: Path) -> None:
    with np.load(folder / PARITY) as stored:
        chips, vectors = stored["chips"], stored["float32"]
    np.savez(folder / PARITY, chips=chips, float32=vectors[::-1])
    with pytest.raises(CheckError, match="cosine"):
        check_parity(folder)


@pytest.mark.parametrize(("claimed", "fails"), [(0.97, False), (0.975, True)])
def test_accuracy_is_compared_with_the_manifest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: float, fails: bool
) -> None:
    edit(folder, accuracy=[{"precision": "int8", "flip": False, "accuracy": claimed}])
    monkeypatch.setattr(check_model, "measure", lambda *_, **__: 0.9705)
    if fails:
        with pytest.raises(CheckError, match=r"0\.9705, the manifest says 0\.9750"):
            check_accuracy(folder, tmp_path, tmp_path)
    else:
        assert len(check_accuracy(folder, tmp_path, tmp_path)) == 1


def test_figures_of_files_that_are_not_shipped_are_left_out(folder: Path, tmp_path: Path) -> None:
    edit(folder, accuracy=[{"precision": "float32", "flip": False, "accuracy": 0.5}])
    assert check_accuracy(folder, tmp_path, tmp_path) == []


def test_without_pictures_the_rest_is_checked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_model.main([str(folder), "--lfw", str(tmp_path / "lfw")]) == 0
    assert "accuracy not checked" in capsys.readouterr().out


def test_a_failure_sets_the_exit_status(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "int8.tflite").write_bytes(b"not a model")
    assert check_model.main([str(folder), "--lfw", str(tmp_path / "lfw")]) == 1
    assert capsys.readouterr().err.startswith("failed: int8")
