"""What several contract tests need and should be made once."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.cold_start import load
from handler.http import source
from handler.invocation import Invocation
from handler.settings import Settings
from tools.serve import Server

WEIGHTS = "facenet-20180402-114759.npz"


@pytest.fixture(scope="session")
def facenet(shared: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real 20180402-114759 as a model folder, imported with the project's own command."""
    weights = shared / "models" / WEIGHTS
    if not weights.is_file():
        pytest.skip(f"needs {WEIGHTS} in ../shared/models, which is absent")
    folder = tmp_path_factory.mktemp("facenet")
    # In a process of its own: TensorFlow's memory should not stay with the tests.
    command = [sys.executable, "-m", "tools.import_model", str(weights), "--out", str(folder)]
    done = subprocess.run(
        [*command, "--no-frozen-graph"], cwd=root, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def collections_port(tmp_path: Path) -> Iterator[int]:
    """The port of a local server with collections in a folder."""
    settings = {"FACENET_REKOGNITION": "on", "FACENET_COLLECTIONS": str(tmp_path / "collections")}
    service = load(Settings.from_environment(settings))
    server = Server(
        ("127.0.0.1", 0),
        lambda event, context: source.handle(event, Invocation(context), service),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()
