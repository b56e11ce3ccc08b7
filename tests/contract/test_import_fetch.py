"""Downloads of the importer against a real HTTP server."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tools.import_model import fetch
from tools.import_model.errors import ImportFailed


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, with ranges; the first answer breaks off half way where told to."""

    content = bytes(range(256)) * 20_000
    etag = '"one"'
    cut_next = False
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        cls = type(self)
        cls.asked.append(self.headers.get("Range"))
        if self.path != "/model.pb":
            self.send_error(404)
            return
        wanted = self.headers.get("Range") and self.headers.get("If-Range") == cls.etag
        start = int(self.headers["Range"][6:-1]) if wanted else 0
        if start >= len(cls.content):
            self.send_error(416)
            return
        body = cls.content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", cls.etag)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cls.cut_next else body)
        cls.cut_next = False

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked, Server.etag, Server.cut_next = [], '"one"', False
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.pb"
        server.shutdown()
        thread.join()


def download(address: str, target: Path, max_bytes: int = 1 << 30) -> Path:
    return fetch.download(functools.partial(fetch._open_url, address), target, max_bytes)


def test_a_download_that_broke_off_is_continued(address: str, tmp_path: Path) -> None:
    Server.cut_next = True
    with pytest.raises(ImportFailed, match=r"run .* again to continue"):
        download(address, tmp_path / "model.pb")

    download(address, tmp_path / "model.pb")

    assert (tmp_path / "model.pb").read_bytes() == Server.content
    assert Server.asked == [None, f"bytes={len(Server.content) // 2}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.pb"]


def test_a_download_starts_again_when_the_file_has_changed(address: str, tmp_path: Path) -> None:
    Server.cut_next = True
    with pytest.raises(ImportFailed):
        download(address, tmp_path / "model.pb")
    Server.etag = '"two"'

    download(address, tmp_path / "model.pb")

    assert (tmp_path / "model.pb").read_bytes() == Server.content


def test_a_download_over_the_limit_is_refused_before_it_starts(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportFailed, match="raise --max-bytes"):
        download(address, tmp_path / "model.pb", max_bytes=1000)

    assert not list(tmp_path.iterdir())


def test_a_download_that_was_complete_but_not_yet_renamed_is_fetched_again(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "model.pb.part").write_bytes(Server.content)
    (tmp_path / "model.pb.etag").write_text(Server.etag)

    download(address, tmp_path / "model.pb")

    assert (tmp_path / "model.pb").read_bytes() == Server.content


def test_an_address_that_does_not_exist_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="answers 404"):
        download(address.replace("model.pb", "absent.pb"), tmp_path / "model.pb")
