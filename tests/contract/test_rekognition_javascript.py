"""The AWS SDK for JavaScript calls the local server as it would call Amazon Rekognition."""

import fcntl
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.cold_start import load
from handler.http import source
from handler.invocation import Invocation
from handler.settings import Settings
from tests.needs import not_here
from tools.serve import Server

PATIENCE_S = 300


@pytest.fixture(scope="session")
def sdk(root: Path) -> Path:
    """A folder with the SDK, installed by npm from the lock file, once."""
    if shutil.which("npm") is None:
        not_here("needs npm, the package manager of Node.js")
    folder = root / "build" / "javascript"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in (root / "tests" / "javascript").iterdir():
            shutil.copy(path, folder)
        if not (folder / "node_modules" / "@aws-sdk" / "client-rekognition").is_dir():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=PATIENCE_S)
            if done.returncode:
                shutil.rmtree(folder / "node_modules", ignore_errors=True)
                not_here("needs a package registry that npm reaches")
    return folder


@pytest.fixture
def seen() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def address(tmp_path: Path, seen: list[dict[str, Any]]) -> Iterator[str]:
    service = load(
        Settings.from_environment(
            {"FACENET_REKOGNITION": "on", "FACENET_COLLECTIONS": str(tmp_path)}
        )
    )

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        seen.append(event)
        return source.handle(event, Invocation(context), service)

    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("service", ["rekognition", "execute-api", "lambda"])
def test_a_program_for_rekognition_runs_unchanged(
    service: str, sdk: Path, address: str, seen: list[dict[str, Any]], root: Path
) -> None:
    pictures = root / "events" / "pictures"
    done = subprocess.run(
        ["node", "rekognition.mjs", address, str(pictures), service],
        cwd=sdk,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {
        "created": 200,
        "existing": True,
        "listed": ["eileen_collins.jpg", "grace_hopper.jpg", "grace_hopper_second.jpg"],
        "described": [3, True],
        "collections": True,
        "group": 2,
        "searched": ["grace_hopper.jpg", "grace_hopper_second.jpg"],
        "similar": ["grace_hopper_second.jpg"],
        "compared": [1, 1],
        "associated": [2, "ACTIVE"],
        "users": [{"UserId": "grace", "UserStatus": "ACTIVE"}],
        "seen": ["grace"],
        "others": 0,
        "released": 1,
        "deleted": 2,
        "gone": 200,
        "unserved": "UnknownOperationException",
    }
    scopes = {event["headers"]["authorization"].split("/")[3] for event in seen}
    assert scopes == {service}
