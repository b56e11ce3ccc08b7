"""The README's quick starts do what it says; each stands under `<!-- quick start: NAME -->`."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import model_layer
from tools import serve

PORT = "8080"
BLOCK = re.compile(
    r"<!-- quick start: (?P<name>[a-z0-9-]+) -->\s*```(?P<kind>\w+)\n(?P<code>.*?)```", re.S
)
Run = Callable[[str], str]


@pytest.fixture(scope="module")
def blocks(root: Path) -> dict[str, tuple[str, str]]:
    """Name -> (language, code) of the README's quick starts."""
    readme = root / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    return {
        found["name"]: (found["kind"], found["code"])
        for found in BLOCK.finditer(readme.read_text())
    }


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A local server with the default model."""
    if not model_layer.bundled_models() and "FACENET_MODEL" not in os.environ:
        pytest.skip("there is no bundled model and FACENET_MODEL is not set")
    server = serve.make_server("127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(blocks: dict[str, tuple[str, str]], port: int, root: Path, tmp_path: Path) -> Run:
    """Runs a block in a folder of its own against the server's port; gives what it prints."""
    for name in ("events", "tools"):
        (tmp_path / name).symlink_to(root / name)

    def run_block(name: str) -> str:
        assert name in blocks, f"README.md has no <!-- quick start: {name} -->"
        kind, code = blocks[name]
        command = ["bash", "-euc"] if kind == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, code.replace(PORT, str(port))],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(root),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_block


def test_curl_compares_two_files(run: Run) -> None:
    answer = json.loads(run("curl"))
    assert answer["same"] is False
    assert len(answer["images"]) == 2


def test_python_client_says_same_and_how_sure(run: Run) -> None:
    assert run("python").startswith("True ")


def test_uai_packer_and_service_give_the_bare_distance(run: Run) -> None:
    distance = run("uai").strip().splitlines()[-1]
    assert len(distance) <= 10
    assert 0 < float(distance) < 2
