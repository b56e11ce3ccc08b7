"""The UAI example's own command line, against the local server with the bundled model."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import not_here
from tests.process_logs import LOGS

Curl = Callable[..., str]


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    """Where the server answers; it ends cleanly with the module."""
    environment = {name: value for name, value in os.environ.items() if "FACENET" not in name}
    command = [sys.executable, "-m", "tools.serve", "--port", "0"]
    with LOGS.open("serve") as out:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out)
        log = Path(out.name)
    try:
        yield wait_for_address(process, log)
    finally:
        # Not SIGINT, which a shell's background job, as CI may be, is born ignoring.
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert process.returncode == 0
    assert log.read_text().rstrip().endswith("stopped")


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        found = re.search(r"answers on (http://127\.0\.0\.1:\d+)/", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"the server stopped before it answered: {log.read_text()}")


@pytest.fixture
def curl() -> Curl:
    """Runs curl with these arguments; gives what it printed."""
    if shutil.which("curl") is None:
        not_here("needs curl")
    command = ["curl", "--silent", "--show-error", "--max-time", "60"]
    return lambda *arguments: (
        subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout
    )


@pytest.fixture
def test_json(tmp_path: Path, load_event: Any) -> Path:
    path = tmp_path / "test.json"
    path.write_bytes(base64.b64decode(load_event("service")["body"]))
    return path


def test_the_readme_of_the_uai_example_still_works(
    address: str, curl: Curl, test_json: Path
) -> None:
    answer = curl("-X", "POST", f"{address}/service", "-T", str(test_json))
    assert re.fullmatch(r"[01]\.\d{1,8}", answer)


def test_a_form_of_two_files_is_compared(address: str, curl: Curl, root: Path) -> None:
    pictures = root / "events" / "pictures"
    files = [f"images=@{pictures / name}" for name in ("eileen_collins.jpg", "grace_hopper.jpg")]
    answer = json.loads(
        curl("-F", files[0], "-F", files[1], "-F", "cnt=2", f"{address}/v1/compare")
    )
    assert answer["same"] is False


def test_a_bare_picture_needs_no_content_type(address: str, curl: Curl, root: Path) -> None:
    picture = root / "events" / "pictures" / "grace_hopper.jpg"
    answer = json.loads(curl("--data-binary", f"@{picture}", f"{address}/v1/detect?face=largest"))
    assert len(answer["images"][0]["faces"]) == 1


@pytest.mark.skipif(shutil.which("schemathesis") is None, reason="needs the schemathesis command")
def test_requests_made_from_the_description_get_answers_as_described(address: str) -> None:
    """`positive_data_acceptance` is out: text that fits the schema is rarely a picture.

    So is `too_slow`, and requests have a minute: how busy this machine is, is no fault.
    """
    command = [
        "schemathesis",
        "run",
        f"{address}/openapi.json",
        "--max-examples=20",
        "--request-timeout=60",
        "--exclude-checks=positive_data_acceptance",
        "--suppress-health-check=too_slow",
        "--generation-deterministic",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-4000:]
