"""Downloads of the importer against a real HTTP server and a real S3 interface."""

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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    moto = pytest.importorskip("moto", reason="moto stands in for S3; it is in the group aws-test")
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        for key in ("v1/model.meta", "v1/model.ckpt-1.index", "v1/", "v2/other.pb"):
            client.put_object(Bucket="models", Key=key, Body=key.encode())
        yield "models"


def test_one_object_is_downloaded(bucket: str, tmp_path: Path) -> None:
    path = fetch.fetch(f"s3://{bucket}/v2/other.pb", tmp_path, 1000)

    assert path.read_bytes() == b"v2/other.pb"


def test_a_key_that_ends_in_a_slash_is_a_folder(bucket: str, tmp_path: Path) -> None:
    folder = fetch.fetch(f"s3://{bucket}/v1/", tmp_path, 1000)

    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "model.meta": "v1/model.meta",
        "model.ckpt-1.index": "v1/model.ckpt-1.index",
    }


def test_a_cut_download_of_an_object_is_continued(bucket: str, tmp_path: Path) -> None:
    import boto3

    etag = boto3.client("s3").head_object(Bucket=bucket, Key="v2/other.pb")["ETag"]
    (tmp_path / "other.pb.part").write_bytes(b"v2/")
    (tmp_path / "other.pb.etag").write_text(etag)

    path = fetch.fetch(f"s3://{bucket}/v2/other.pb", tmp_path, 1000)

    assert path.read_bytes() == b"v2/other.pb"


@pytest.mark.parametrize(
    ("key", "message"), [("v2/absent.pb", "check credentials"), ("v1/", "larger than 20 bytes")]
)
def test_what_cannot_be_downloaded_is_said(
    bucket: str, tmp_path: Path, key: str, message: str
) -> None:
    with pytest.raises(ImportFailed, match=message):
        fetch.fetch(f"s3://{bucket}/{key}", tmp_path, 20)
