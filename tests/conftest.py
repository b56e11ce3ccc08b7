"""What several test rooms share: the optional data folder beside the project, and the events."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("FACENET_SHARED", ROOT.parent / "shared"))


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
