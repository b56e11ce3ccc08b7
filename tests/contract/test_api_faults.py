"""What breaks around the function has one outcome: a clear answer, and the next call works."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import model_layer
from fixtures.http_events import http_v2
from handler import app, cold_start
from handler.faces.service import BrokenService
from model_layer.files import MODELS
from tests.process_logs import LOGS
from tests.unit.handler.service_fakes import FakeContext

# Runs the events given as arguments in a process that must not open any file for writing.
READ_ONLY_PROGRAM = """
import json, os, sys

def refuse(name, arguments):
    if name == "open" and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and arguments[0] != os.devnull:
            raise OSError(28, "No space left on device")

from handler import app
sys.addaudithook(refuse)
for path in sys.argv[1:]:
    with open(path) as file:
        answer = app.lambda_handler(json.load(file), None)
    print("ANSWER", answer.get("statusCode", 200) if "error" not in answer else 500)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled model, to be damaged."""
    (name,) = model_layer.bundled_models()
    return Path(shutil.copytree(MODELS / name, tmp_path / name))


def weights(folder: Path) -> Path:
    return next(folder.glob("*.tflite"))


def truncate(folder: Path) -> None:
    path = weights(folder)
    path.write_bytes(path.read_bytes()[:-1000])


def flip_one_bit(folder: Path) -> None:
    data = bytearray(weights(folder).read_bytes())
    data[len(data) // 2] ^= 1
    weights(folder).write_bytes(data)


def remove_weights(folder: Path) -> None:
    weights(folder).unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    "damage", [truncate, flip_one_bit, remove_weights, remove_manifest, spoil_manifest]
)
def test_a_damaged_model_is_a_clear_503_and_a_failed_direct_call(
    damage: Callable[[Path], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(folder)
    monkeypatch.setenv("FACENET_MODEL", str(folder))
    service = cold_start.start()
    assert isinstance(service, BrokenService)
    for _ in range(2):
        response = app.dispatch(http_v2("/v1/compare", "{}"), FakeContext(), service)
        assert response["statusCode"] == 503
        error = json.loads(response["body"])["error"]
        assert error["code"] == "ModelUnavailable"
        assert error["message"].startswith("The model cannot be used: ")
        with pytest.raises(Exception, match="ModelUnavailable"):
            app.dispatch({"images": []}, FakeContext(), service)


def test_an_undamaged_copy_serves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACENET_MODEL", str(folder))
    assert not isinstance(cold_start.start(), BrokenService)


def test_nothing_is_ever_written_so_a_full_disk_does_not_matter(root: Path) -> None:
    names = ["compare-same", "embed", "service", "http-api-v2-multipart", "http-api-v2-image"]
    paths = [str(root / "events" / f"{name}.json") for name in names]
    command = [sys.executable, "-B", "-c", READ_ONLY_PROGRAM, *paths]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    LOGS.keep("read_only", done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ANSWER 200") == len(names)


def test_bad_calls_between_good_ones_change_nothing(root: Path, load_event: Any) -> None:
    service = cold_start.start()
    good = load_event("compare-same")
    bad = [
        {"images": ["?", "?"]},
        load_event("no-face"),
        {"images": [good["images"][0][:4000]] * 2},
    ]
    first = app.dispatch(good, FakeContext(), service)
    codes = [app.dispatch(event, FakeContext(), service)["error"]["code"] for event in bad]
    again = app.dispatch(good, FakeContext(), service)
    assert codes == ["InvalidBase64", "FaceNotFound", "InvalidImage"]
    assert (again["distance"], again["images"]) == (first["distance"], first["images"])
