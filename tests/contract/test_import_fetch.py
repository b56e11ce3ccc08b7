"""Downloads of the importer, against a real HTTP server and a bucket in memory."""

import http.server
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import web_server
from tools.import_model import fetch
from tools.import_model.errors import ImportFailed


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; the first answer breaks off half way where told to."""

    content = bytes(range(256)) * 20_000
    cut_next = False

    def do_GET(self) -> None:
        cls = type(self)
        if self.path != "/model.pb":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(cls.content)))
        self.end_headers()
        self.wfile.write(cls.content[: len(cls.content) // 2] if cls.cut_next else cls.content)
        cls.cut_next = False

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.cut_next = False
    with web_server.running(Server) as url:
        yield f"{url}/model.pb"


def download(address: str, target: Path, max_bytes: int = 1 << 30) -> Path:
    return fetch.download(address, target, max_bytes)


def test_a_download_that_breaks_off_leaves_nothing_and_starts_again(
    address: str, tmp_path: Path
) -> None:
    Server.cut_next = True
    with pytest.raises(ImportFailed, match="run it again"):
        download(address, tmp_path / "model.pb")
    assert not list(tmp_path.iterdir())

    download(address, tmp_path / "model.pb")

    assert (tmp_path / "model.pb").read_bytes() == Server.content
    assert [path.name for path in tmp_path.iterdir()] == ["model.pb"]


def test_a_download_over_the_limit_is_refused_before_it_starts(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportFailed, match="raise --max-bytes"):
        download(address, tmp_path / "model.pb", max_bytes=1000)

    assert not list(tmp_path.iterdir())


def test_an_address_that_does_not_exist_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="answers 404"):
        download(address.replace("model.pb", "absent.pb"), tmp_path / "model.pb")


@pytest.mark.parametrize("rest", ["/my model.pb", ":port/model.pb", "/modèle.pb"])
def test_an_address_that_is_none_is_said(tmp_path: Path, rest: str) -> None:
    with pytest.raises(ImportFailed, match="cannot be downloaded"):
        fetch.fetch(f"https://127.0.0.1{rest}", tmp_path, 1000)


def test_a_complete_download_is_fetched_again_for_what_the_address_holds_now(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download(address, tmp_path / "model.pb")
    monkeypatch.setattr(Server, "content", Server.content[::-1])

    download(address, tmp_path / "model.pb")

    assert (tmp_path / "model.pb").read_bytes() == Server.content


class Bucket:
    """S3's client as far as the importer uses it, on objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def head_object(self, **asked: str) -> dict[str, Any]:
        return {"ContentLength": len(self.objects[asked["Key"]])}

    def download_file(self, _: str, key: str, target: str, **__: Any) -> None:
        Path(target).write_bytes(self.objects[key])

    def get_paginator(self, _: str) -> "Bucket":
        return self

    def paginate(self, **asked: str) -> list[dict[str, Any]]:
        keys = [key for key in self.objects if key.startswith(asked["Prefix"])]
        return [{"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in keys]}]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    monkeypatch.setattr("boto3.client", lambda _: bucket)
    return bucket


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_holds_what_is_in_s3_now_and_nothing_else(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects = {f"v1/{name}": b"x" for name in ("a.pb", "b.pb", "20180402-114759/c.pb")}
    fetch.fetch("s3://models/v1/", tmp_path, 1000)
    bucket.objects = {"v1/sub/model.ckpt-1.index": b"y", "v1/a.pb": b"x"}

    folder = fetch.fetch("s3://models/v1/", tmp_path, 1000)

    assert contents(folder) == {"sub/model.ckpt-1.index": b"y", "a.pb": b"x"}
    assert {path.name for path in folder.iterdir()} == {"sub", "a.pb"}


@pytest.mark.parametrize("key", ["run#3/x.pb", "run?3/x.pb"])
def test_a_key_may_hold_what_ends_the_path_of_a_url(
    bucket: Bucket, tmp_path: Path, key: str
) -> None:
    bucket.objects = {key: b"asked for", "run": b"cut short"}

    assert fetch.fetch(f"s3://models/{key}", tmp_path, 1000).read_bytes() == b"asked for"
    assert contents(fetch.fetch(f"s3://models/{key[:6]}", tmp_path, 1000)) == {"x.pb": b"asked for"}


def test_a_profile_that_does_not_exist_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_PROFILE", "typo")

    with pytest.raises(ImportFailed, match=r"profile \(typo\) could not be found"):
        fetch.fetch("s3://models/x.pb", tmp_path, 1000)


def test_a_tilde_before_the_name_of_a_file_is_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~model.pb").touch()

    assert fetch.fetch("~model.pb", tmp_path, 1000) == Path("~model.pb")


def change_zip(path: Path, place: int, value: int) -> None:
    """Changes a byte of both headers of the only member: `place` as the local one counts."""
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    content[place] = content[central + place + 2] = value
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (6, 1, "password required.*; unpack it yourself"),
        (8, 97, "compression method is not supported.*; unpack it yourself"),
        (14, 0, "damaged or no zip archive .*CRC"),
    ],
)
def test_a_zip_that_cannot_be_unpacked_is_said(
    tmp_path: Path, place: int, value: int, message: str
) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("model.pb", b"weights")
    change_zip(archive, place, value)

    with pytest.raises(ImportFailed, match=message):
        fetch.fetch(str(archive), tmp_path / "work", 1000)


def test_a_zip_with_damaged_contents_is_said(tmp_path: Path) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("model.pb", b"weights" * 100)
    change = bytearray(archive.read_bytes())
    change[38] = 0xFF  # the first byte behind the header of 30 bytes and the name
    archive.write_bytes(change)

    with pytest.raises(ImportFailed, match="damaged or no zip archive"):
        fetch.fetch(str(archive), tmp_path / "work", 1000)
