"""FaceNet by its published name. No test reaches the addresses: a real server here stands in."""

import hashlib
import http.server
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.contract import web_server
from tests.contract.facenet_files import write_keras
from tests.contract.facenet_graphs import tiny_arrays
from tools.import_model import published
from tools.import_model.cli import main
from tools.import_model.errors import ImportFailed
from tools.import_model.published import Address, Release

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves FILES by path."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - each test has its own
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.files, Server.asked = {}, []
    with web_server.running(Server) as url:
        yield url


def release(address: str, *files: tuple[str, str | None], name: str = "made-up") -> Release:
    addresses = tuple(Address(f"{address}{path}", digest) for path, digest in files)
    return Release(name, addresses, frozenset())


def test_addresses_are_tried_in_order_until_one_has_the_weights(
    address: str, tmp_path: Path
) -> None:
    Server.files = {"/b/w.h5": b"not the weights", "/c/w.h5": b"weights", "/d/w.h5": b"too late"}
    digest = hashlib.sha256(b"weights").hexdigest()
    listed = release(address, *((f"/{x}/w.h5", digest) for x in "abcd"))

    url, path = published.fetch_release(listed, tmp_path, 1000)

    assert (url, path.read_bytes()) == (f"{address}/c/w.h5", b"weights")
    assert Server.asked == ["/a/w.h5", "/b/w.h5", "/c/w.h5"]


def test_where_no_address_answers_each_is_named_with_the_way_out(
    address: str, tmp_path: Path
) -> None:
    Server.files = {"/b/w.h5": b"not the weights"}
    listed = release(address, ("/a/w.h5", None), ("/b/w.h5", "0" * 64))

    with pytest.raises(ImportFailed) as caught:
        published.fetch_release(listed, tmp_path, 1000)

    words = str(caught.value)
    assert "/a/w.h5 answers 404" in words
    assert "/b/w.h5 has another SHA-256" in words
    assert "--offline FILE" in words
    assert not list(tmp_path.iterdir())


def test_every_published_address_is_encrypted_and_every_digest_one() -> None:
    for item in published.RELEASES.values():
        assert item.addresses
        for place in item.addresses:
            assert place.url.startswith("https://")
            # Without a reference, the digest is all that tells wrong weights.
            assert place.sha256 or item.reference
            assert re.fullmatch("[0-9a-f]{64}", place.sha256 or "0" * 64)
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in item.digests)


@pytest.mark.parametrize("name", ["facenet", "facenet-20180402", "facenet-20180402-114759"])
def test_the_names_of_the_default_release(name: str) -> None:
    found = published.release_named(name)
    assert found is not None
    assert found.name == "20180402-114759"


def test_a_folder_of_the_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("facenet").mkdir()

    assert published.release_named("facenet") is None
    assert published.release_named("facenet-20180408") is not None


def test_an_offline_file_needs_a_published_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["x.h5", "--offline", "y.h5", "--out", str(tmp_path)]

    assert main(words) == 1
    assert "--offline goes with a published name" in capsys.readouterr().err


def test_weights_that_nothing_can_check_are_not_taken_for_a_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_keras(tmp_path / "x.h5", tiny_arrays(), whole=False)
    words = ["facenet-20180408", "--offline", str(path), "--out", str(tmp_path / "out")]

    assert main(words) == 1
    assert "none of the digests stated for 20180408-102900" in capsys.readouterr().err


def real_arrays(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "models" / "facenet-20180402-114759.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.shared
def test_wrong_weights_are_refused_whatever_their_name(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = real_arrays(shared)
    arrays["Block17_3_Conv2d_1x1_kernel"] = arrays["Block17_3_Conv2d_1x1_kernel"][..., ::-1]
    path = write_keras(tmp_path / "20180402-114759-weights.h5", arrays, whole=False)

    by_name = ["facenet", "--offline", str(path)]
    for words in (by_name, [*by_name, "--size", "128"], [str(path)]):
        assert main([*words, "--out", str(tmp_path / "out")]) == 1
        assert "does not hold the weights of 20180402-114759" in capsys.readouterr().err
        assert not list((tmp_path / "out").glob("*.json"))


@pytest.mark.shared
def test_the_published_name_is_one_command_from_download_to_model(
    shared: Path,
    address: str,
    convert_once: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_keras(tmp_path / "w.h5", real_arrays(shared), whole=False)
    Server.files = {"/w.h5": path.read_bytes()}
    here = (Address(f"{address}/gone.pt"), Address(f"{address}/w.h5"))
    stand_in = Release("20180402-114759", here, frozenset(), published.VGGFACE2.reference)
    monkeypatch.setitem(published.NAMES, "facenet", stand_in)
    out = tmp_path / "out"

    assert main(["facenet", "--out", str(out), "--no-frozen-graph"]) == 0

    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["id"], manifest["licence"]) == ("20180402-114759", "MIT")
    assert manifest["provenance"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "VGGFace2" in manifest["provenance"]["origin"]
    assert manifest["thresholds"]["default_far"] == 1e-3
    assert not (out / ".download").exists()
