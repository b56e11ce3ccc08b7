"""The quick starts of README and docs do what they say; tests/aws has the one for a bucket."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.quick_starts import run_block
from tools import serve

PORT = "8080"
Run = Callable[..., str]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A local server with the default model."""
    server = serve.make_server("127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(port: int, root: Path, tmp_path: Path) -> Run:
    """Runs a block in a folder of its own against the server's port; gives what it prints."""
    return lambda name: run_block(root, tmp_path, name, {PORT: str(port)})


def test_curl_compares_two_files(run: Run) -> None:
    answer = json.loads(run("curl"))
    assert answer["same"] is True
    assert len(answer["images"]) == 2


def test_python_client_says_same_and_how_sure(run: Run) -> None:
    assert run("python").startswith("True ")


def test_uai_packer_and_service_give_the_bare_distance(run: Run) -> None:
    distance = run("uai").strip().splitlines()[-1]
    assert len(distance) <= 10
    assert 0 < float(distance) < 2


def test_client_enrols_finds_and_deletes_a_person(
    collections_port: int, root: Path, tmp_path: Path
) -> None:
    address = {"tools.client": f"tools.client --url http://127.0.0.1:{collections_port}"}
    said = run_block(root, tmp_path, "collection", address, document="docs/search.md")
    created, enrolled, found, deleted = re.split(r"(?<=^})\n(?={)", said, flags=re.M)
    assert json.loads(created)["gallery"]["faces"] == 0
    assert json.loads(enrolled)["gallery"]["faces"] == 2
    faces = json.loads(found)["images"][0]["faces"]
    assert sorted([match["person"] for match in face["matches"]] for face in faces) == [
        [],
        ["Eileen"],
    ]
    assert json.loads(deleted)["persons"] == 1
