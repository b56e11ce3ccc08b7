"""Brings a source onto this machine: a local path as it is, `s3://` and `https://` by download.

A download goes to a `.part` file that a later run continues, if the object still has the ETag it
had before; on that condition a complete one from S3 is used again. Archives are unpacked beside it.
"""

import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from tqdm import tqdm

from tools.import_model.errors import ImportFailed

BLOCK = 1 << 20
TIMEOUT_SECONDS = 60
# Apart from the files: a checkpoint's ETag beside it would pass for another checkpoint.
ETAGS = ".etags"


class Readable(Protocol):
    """What both HTTP and S3 bodies can do."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Part:
    """An open download: its body from `offset` on, and the whole object's size and version."""

    body: Readable
    offset: int
    total: int | None
    etag: str


Opener = Callable[[int, str], Part]


def fetch(source: str, work: Path, max_bytes: int) -> Path:
    """A local file or folder for `source`; downloads land in `work`.

    Raises ImportFailed: nothing there, no access, larger than `max_bytes`, a broken archive.
    """
    scheme = urlsplit(source).scheme
    if scheme == "s3":
        path = _fetch_s3(source, work, max_bytes)
    elif scheme == "https":
        name = PurePosixPath(urlsplit(source).path).name or "model"
        path = download(
            lambda offset, etag: _open_url(source, offset, etag), work / name, max_bytes
        )
    elif scheme == "http":
        raise ImportFailed("http:// is not trusted with weights; use https://, s3:// or a file")
    else:
        # Unlike Path.expanduser, leaves the name of a file that begins with ~ as it is.
        path = Path(os.path.expanduser(source))
    if not path.exists():
        raise ImportFailed(f"{source} does not exist; give a file, a folder, s3:// or https://")
    return _unpack(path, work, max_bytes) if path.suffix == ".zip" else path


def download(open_at: Opener, target: Path, max_bytes: int) -> Path:
    """Downloads to `target`, continuing `target`.part where there is one, with a progress bar."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, version = (
        target.with_name(target.name + ".part"),
        target.with_name(target.name + ".etag"),
    )
    have = partial.stat().st_size if partial.exists() and version.exists() else 0
    part = open_at(have, version.read_text() if have else "")
    _check_room(part.total, max_bytes, target.name)
    version.write_text(part.etag)
    with (
        partial.open("r+b" if part.offset else "wb") as stream,
        tqdm(
            total=part.total, initial=part.offset, unit="B", unit_scale=True, desc=target.name
        ) as bar,
    ):
        stream.truncate(part.offset)
        stream.seek(part.offset)
        for block in _blocks(part.body, target.name):
            stream.write(block)
            bar.update(len(block))
            _check_room(stream.tell(), max_bytes, target.name)
        complete = part.total is None or stream.tell() == part.total
    if not complete:
        raise ImportFailed(f"the download of {target.name} was cut short; run it again to continue")
    version.unlink()
    return partial.replace(target)


def _blocks(body: Readable, name: str) -> Iterator[bytes]:
    try:
        while block := body.read(BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as exc:
        raise ImportFailed(
            f"the download of {name} broke off ({exc}); run the same command again to continue"
        ) from exc


def _check_room(size: int | None, max_bytes: int, name: str) -> None:
    if size is not None and size > max_bytes:
        raise ImportFailed(
            f"{name} is larger than {max_bytes} bytes; raise --max-bytes to allow it"
        )


def _open_url(url: str, offset: int, etag: str) -> Part:
    request = urllib.request.Request(url)  # noqa: S310 - `fetch` lets only https through
    if offset and etag:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", etag)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as exc:
        if offset and exc.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open_url(url, 0, "")
        raise ImportFailed(f"{url} answers {exc.code} {exc.reason}; check the address") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:  # ValueError: é, say
        raise ImportFailed(f"{url} cannot be downloaded ({exc}); check the address") from exc
    if urlsplit(response.url).scheme != urlsplit(url).scheme:
        raise ImportFailed(f"{url} leads to {response.url}, which is not trusted with weights")
    start = offset if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    return Part(response, start, total, response.headers.get("ETag", ""))


def _fetch_s3(source: str, work: Path, max_bytes: int) -> Path:
    """One object, or every object under a key that ends in a slash."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    # Not by urlsplit: a key may hold `#` and `?`.
    bucket, _, path = source.partition("://")[2].partition("/")
    key = path.lstrip("/")
    try:
        client = boto3.client("s3")
        if key and not key.endswith("/"):
            return _download_object(client, bucket, key, work, work / ETAGS, max_bytes)
        return _download_prefix(client, bucket, key, work, max_bytes)
    except (ClientError, BotoCoreError) as exc:
        raise ImportFailed(f"{source} cannot be read ({exc}); check credentials and name") from exc


def _download_prefix(client: Any, bucket: str, prefix: str, work: Path, max_bytes: int) -> Path:
    name = PurePosixPath(prefix).name or bucket
    folder, etags = work / name, work / ETAGS / name
    listed: set[Path] = set()
    room = max_bytes
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            # Slashes side by side are empty names to S3, and a path from the root here.
            place = PurePosixPath(item["Key"][len(prefix) :].lstrip("/"))
            if item["Key"].endswith("/") or ".." in place.parts:
                continue
            room -= item["Size"]
            _check_room(max_bytes - room, max_bytes, prefix)
            places = folder / place.parent, etags / place.parent
            listed.add(_download_object(client, bucket, item["Key"], *places, max_bytes))
    _remove_others(folder, listed)
    return folder


def _remove_others(folder: Path, listed: set[Path]) -> None:
    """Takes away what an earlier run found under the prefix and this one did not."""
    kept = listed.union(*(path.parents for path in listed))
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder, then the folder
        if path not in kept:
            path.rmdir() if path.is_dir() else path.unlink()


def _download_object(
    client: Any, bucket: str, key: str, folder: Path, etags: Path, max_bytes: int
) -> Path:
    """One object, to `folder`. What is there already stays if `etags` has the object's ETag."""
    head = client.head_object(Bucket=bucket, Key=key)
    target, version = (place / PurePosixPath(key).name for place in (folder, etags))
    if target.exists() and version.exists() and version.read_text() == head["ETag"]:
        return target
    version.unlink(missing_ok=True)

    def open_at(offset: int, etag: str) -> Part:
        start = offset if etag == head["ETag"] and offset < head["ContentLength"] else 0
        # Of an empty object not even the first byte may be asked for.
        rest = {"Range": f"bytes={start}-"} if start else {}
        answer = client.get_object(Bucket=bucket, Key=key, IfMatch=head["ETag"], **rest)
        return Part(answer["Body"], start, head["ContentLength"], head["ETag"])

    download(open_at, target, max_bytes)
    etags.mkdir(parents=True, exist_ok=True)
    version.write_text(head["ETag"])
    return target


def _unpack(archive: Path, work: Path, max_bytes: int) -> Path:
    """Unpacks a .zip (zipfile strips absolute and parent paths) into `work`."""
    folder = work / archive.stem
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as members:
            _check_room(sum(info.file_size for info in members.infolist()), max_bytes, archive.name)
            members.extractall(folder)
    except (zipfile.BadZipFile, zlib.error) as exc:
        raise ImportFailed(
            f"{archive.name} is damaged or no zip archive ({exc}); download it again"
        ) from exc
    except RuntimeError as exc:  # a password, or a compression that zipfile lacks
        raise ImportFailed(
            f"{archive.name} cannot be unpacked ({exc}); unpack it yourself and give the folder"
        ) from exc
    return folder
