"""What all test rooms share: data, events, and a look at every line that the handler logs."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from handler import observability

# How long an example takes says how busy the machine is, and no more.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("FACENET_SHARED", ROOT.parent / "shared"))
LONGEST_LINE = 4000
# A stretch of base64 as pictures and embeddings have it; a digest is allowed.
DIGEST = re.compile(r'"[0-9a-f]{64}"')
PACKED = re.compile(r"[A-Za-z0-9+/]{60,}")
FILE_NAME = re.compile(r"\.(jpe?g|png|webp)\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def no_face_in_the_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines logged so far; fails the test in which one holds what must not be logged."""
    lines: list[str] = []
    print_line = observability._print

    def look(line: Any, stream: Any) -> None:
        lines.append(json.dumps(line, default=str))
        print_line(line, stream)

    monkeypatch.setattr(observability, "_print", look)
    yield lines
    for line in lines:
        assert len(line) < LONGEST_LINE
        assert not PACKED.search(DIGEST.sub("", line)), "a picture or an embedding was logged"
        assert not FILE_NAME.search(line), "an object key was logged"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with LFW, the golden outputs and the real FaceNet weights, or a skip."""
    if not (SHARED / "faces").is_dir():
        pytest.skip("needs the data folder ../shared (faces, golden, models), which is absent")
    return SHARED


@pytest.fixture(scope="session")
def load_event(root: Path) -> Any:
    """`load_event("compare-same")` reads events/compare-same.json."""
    return lambda name: json.loads((root / "events" / f"{name}.json").read_text())
