"""What all test rooms share: data, events, and a look at every line that is logged anywhere."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from handler import observability
from tests.process_logs import LOGS, check
from tools.shared import SHARED

# How long an example takes says how busy the machine is, and no more.
hypothesis.settings.register_profile("unhurried", deadline=None, derandomize=True)
hypothesis.settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent
# What `make test` leaves to `make test-all`: it needs TensorFlow, or minutes. Single tests of other
# modules are marked `full` where they stand.
FULL = (
    "contract/test_detector_parity.py",
    "contract/test_import_forms.py",
    "contract/test_import_model.py",
    "contract/test_import_networks.py",
    "contract/test_import_published.py",
    "contract/test_import_torch.py",
    "contract/test_interrupts.py",
    "contract/test_lfw_accuracy.py",
    "fuzz/test_seeds.py",
    "unit/tools/evaluate",
    "unit/training",
)
WEIGHTS = "facenet-20180402-114759.npz"
HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
# What the caller's shell says of the function is not what is tested; these say where things are.
PLACES = {
    "FACENET_SHARED",
    "FACENET_IMAGE",
    "FACENET_IMAGE_TENSORFLOW",
    "FACENET_RIE",
    "FACENET_RENEW_SCREENSHOTS",
}
for name in [name for name in os.environ if name.startswith("FACENET_")]:
    if name not in PLACES:
        del os.environ[name]


def is_full(path: Path) -> bool:
    """Whether a test module or folder is one of FULL, or in one of them."""
    tests = Path(__file__).parent
    return any(path == tests / name or tests / name in path.parents for name in FULL)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leaves out, without TensorFlow, the modules that import it."""
    return True if not HAS_TENSORFLOW and is_full(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of FULL."""
    for item in items:
        if is_full(item.path):
            item.add_marker(pytest.mark.full)


@pytest.fixture(autouse=True)
def no_face_in_the_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines logged so far; fails the test in which one holds what must not be logged.

    What processes that tests started have printed since the last test is read too.
    """
    lines: list[str] = []
    print_line = observability._print

    def look(line: Any, stream: Any) -> None:
        lines.append(json.dumps(line, default=str))
        print_line(line, stream)

    monkeypatch.setattr(observability, "_print", look)
    yield lines
    for line in [*lines, *LOGS.unread()]:
        check(line)


@pytest.fixture(scope="session", autouse=True)
def no_face_in_what_processes_print_last() -> Iterator[None]:
    """What they print while they end, after the last test that they serve."""
    yield
    lines = LOGS.unread()
    shutil.rmtree(LOGS.folder)
    for line in lines:
        check(line)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with LFW, the golden outputs and the real FaceNet weights, or a skip."""
    absent = [name for name in ("faces", "golden", "models") if not (SHARED / name).is_dir()]
    if absent:
        pytest.skip(f"needs {', '.join(absent)} of the data folder ../shared, which is absent")
    return SHARED


@pytest.fixture(scope="session")
def load_event(root: Path) -> Any:
    """`load_event("compare-same")` reads events/compare-same.json."""
    return lambda name: json.loads((root / "events" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def facenet(shared: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real 20180402-114759 as a model folder, imported with the project's own command."""
    weights = shared / "models" / WEIGHTS
    if not weights.is_file():
        pytest.skip(f"needs {WEIGHTS} in ../shared/models, which is absent")
    if not HAS_TENSORFLOW:
        pytest.skip("needs TensorFlow, to import FaceNet: make test-all installs it")
    folder = tmp_path_factory.mktemp("facenet")
    # In a process of its own: TensorFlow's memory should not stay with the tests.
    command = [sys.executable, "-m", "tools.import_model", str(weights), "--out", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder
