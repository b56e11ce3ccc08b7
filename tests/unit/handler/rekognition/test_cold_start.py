"""With the setting or without it, a start reads nothing of the wing; only a call does."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
opened = []
sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == "open" else None)
from handler import app
from tests.unit.handler.service_fakes import FakeContext
event = json.load(open("events/compare-same.json"))
answer = app.lambda_handler(event, FakeContext())
assert "error" not in answer, answer
loaded = [name for name in sys.modules if name.startswith("handler.rekognition")]
print(json.dumps([loaded, [path for path in opened if "handler/rekognition" in path]]))
"""


@pytest.mark.parametrize("setting", ["", "on"])
def test_it_is_neither_imported_nor_read_before_the_first_call(root: Path, setting: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "FACENET_REKOGNITION": setting},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[[], []]"
