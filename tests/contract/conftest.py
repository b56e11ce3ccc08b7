"""What several contract tests need and should be made once."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.cold_start import load
from handler.http import source
from handler.invocation import Invocation
from handler.settings import Settings
from tools.serve import Server


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


@pytest.fixture(scope="session")
def converted() -> dict[tuple[bytes, str], bytes]:
    """LiteRT files by the SHA-256 of the graph that they were made of, and precision."""
    return {}


@pytest.fixture
def convert_once(
    converted: dict[tuple[bytes, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow's converter, which takes most of an import's time, runs once for equal graphs."""
    from tools.import_model.convert import convert
    from tools.import_model.freeze import serialized

    def remembered(definition: Any, precision: Any, calibration: Any = None) -> bytes:
        if calibration is not None:
            return convert(definition, precision, calibration)
        key = (hashlib.sha256(serialized(definition)).digest(), precision)
        if key not in converted:
            converted[key] = convert(definition, precision)
        return converted[key]

    monkeypatch.setattr("tools.import_model.write_files.convert", remembered)
    monkeypatch.setattr("tools.import_model.quantize.convert", remembered)
