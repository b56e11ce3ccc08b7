"""Brings a source onto this machine: a local path as it is, `s3://` and `https://` by download.

A download that breaks off leaves no file behind and starts again with the next run. Archives are
unpacked beside it.
"""

import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from tools.import_model.errors import ImportFailed

BLOCK = 1 << 20
TIMEOUT_SECONDS = 60


def fetch(source: str, work: Path, max_bytes: int) -> Path:
    """A local file or folder for `source`; downloads land in `work`.

    Raises ImportFailed: nothing there, no access, larger than `max_bytes`, a broken archive.
    """
    scheme = urlsplit(source).scheme
    if scheme == "s3":
        path = _fetch_s3(source, work, max_bytes)
    elif scheme == "https":
        name = PurePosixPath(urlsplit(source).path).name or "model"
        path = download(source, work / name, max_bytes)
    elif scheme == "http":
        raise ImportFailed("http:// is not trusted with weights; use https://, s3:// or a file")
    else:
        # Unlike Path.expanduser, leaves the name of a file that begins with ~ as it is.
        path = Path(os.path.expanduser(source))
    if not path.exists():
        raise ImportFailed(f"{source} does not exist; give a file, a folder, s3:// or https://")
    return _unpack(path, work, max_bytes) if path.suffix == ".zip" else path


def download(url: str, target: Path, max_bytes: int) -> Path:
    """Downloads `url` to `target`, with a progress bar.

    Raises ImportFailed: it cannot be read, breaks off, or is larger than `max_bytes`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    try:
        with _open_url(url) as response, partial.open("wb") as stream:
            _copy(response, stream, target.name, max_bytes)
        return partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _open_url(url: str) -> Any:
    try:
        response = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)  # noqa: S310 - https alone
    except urllib.error.HTTPError as exc:
        raise ImportFailed(f"{url} answers {exc.code} {exc.reason}; check the address") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:  # ValueError: é, say
        raise ImportFailed(f"{url} cannot be downloaded ({exc}); check the address") from exc
    if urlsplit(response.url).scheme != urlsplit(url).scheme:
        raise ImportFailed(f"{url} leads to {response.url}, which is not trusted with weights")
    return response


def _copy(response: Any, stream: Any, name: str, max_bytes: int) -> None:
    length = response.headers.get("Content-Length")
    total = int(length) if length else None
    _check_room(total, max_bytes, name)
    with tqdm.wrapattr(stream, "write", total=total, desc=name) as sink:
        try:
            while block := response.read(BLOCK):
                sink.write(block)
                _check_room(stream.tell(), max_bytes, name)
        except (OSError, http.client.HTTPException) as exc:
            raise ImportFailed(f"the download of {name} broke off ({exc}); run it again") from exc
    if total is not None and stream.tell() != total:
        raise ImportFailed(f"the download of {name} was cut short; run it again")


def _check_room(size: int | None, max_bytes: int, name: str) -> None:
    if size is not None and size > max_bytes:
        raise ImportFailed(
            f"{name} is larger than {max_bytes} bytes; raise --max-bytes to allow it"
        )


def _fetch_s3(source: str, work: Path, max_bytes: int) -> Path:
    """One object, or every object under a key that ends in a slash."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    # Not by urlsplit: a key may hold `#` and `?`.
    bucket, _, path = source.partition("://")[2].partition("/")
    key = path.lstrip("/")
    try:
        client = boto3.client("s3")
        if key and not key.endswith("/"):
            size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
            _check_room(size, max_bytes, key)
            return _download_object(client, bucket, key, size, work / PurePosixPath(key).name)
        return _download_prefix(client, bucket, key, work, max_bytes)
    except (ClientError, BotoCoreError, Boto3Error) as exc:
        raise ImportFailed(f"{source} cannot be read ({exc}); check credentials and name") from exc


def _download_prefix(client: Any, bucket: str, prefix: str, work: Path, max_bytes: int) -> Path:
    folder = work / (PurePosixPath(prefix).name or bucket)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    room = max_bytes
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            # Slashes side by side are empty names to S3, and a path from the root here.
            place = PurePosixPath(item["Key"][len(prefix) :].lstrip("/"))
            if item["Key"].endswith("/") or ".." in place.parts:
                continue
            room -= item["Size"]
            _check_room(max_bytes - room, max_bytes, prefix)
            _download_object(client, bucket, item["Key"], item["Size"], folder / place)
    return folder


def _download_object(client: Any, bucket: str, key: str, size: int, target: Path) -> Path:
    """One object, to `target`, by boto3: in parts, with retries, under another name until whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=size, unit="B", unit_scale=True, desc=target.name) as bar:
        client.download_file(bucket, key, str(target), Callback=bar.update)
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
