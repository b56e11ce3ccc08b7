"""The UAI example's own command line, against the local server with the bundled model."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if "FACENET" not in name}
    command = [sys.executable, "-m", "tools.serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        for line in process.stdout:
            found = re.search(r"answers on (http://127\.0\.0\.1:\d+)/", line)
            if found:
                break
        else:
            pytest.fail("the server stopped before it answered")
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        out, _err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out.rstrip().endswith("stopped")


def curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def test_json(tmp_path: Path, load_event: Any) -> Path:
    path = tmp_path / "test.json"
    path.write_bytes(base64.b64decode(load_event("service")["body"]))
    return path


def test_the_readme_of_the_uai_example_still_works(address: str, test_json: Path) -> None:
    answer = curl("-X", "POST", f"{address}/service", "-T", str(test_json))
    assert re.fullmatch(r"[01]\.\d{1,8}", answer)


def test_a_form_of_two_files_is_compared(address: str, root: Path) -> None:
    pictures = root / "events" / "pictures"
    files = [f"images=@{pictures / name}" for name in ("eileen_collins.jpg", "grace_hopper.jpg")]
    answer = json.loads(
        curl("-F", files[0], "-F", files[1], "-F", "cnt=2", f"{address}/v1/compare")
    )
    assert answer["same"] is False


def test_a_bare_picture_needs_no_content_type(address: str, root: Path) -> None:
    picture = root / "events" / "pictures" / "grace_hopper.jpg"
    answer = json.loads(curl("--data-binary", f"@{picture}", f"{address}/v1/detect?face=largest"))
    assert len(answer["images"][0]["faces"]) == 1
