"""Where results are read from: a prefix in S3, or a folder."""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

# Answers to requests that came through a queue lie here, and are no results of pictures.
REQUESTS = "_requests/"
Page = Mapping[str, datetime]  # keys in the source's order, and when each was last written


class Source(Protocol):
    """Results in a fixed order. `prefix` is what all keys begin with."""

    @property
    def prefix(self) -> str: ...

    def pages(self, after: str | None, size: int) -> Iterator[Page]:
        """Keys after `after` in order, so many at a time."""

    def read(self, key: str) -> bytes:
        """One result. Called from several threads."""


@dataclass(frozen=True)
class Prefix:
    """`s3://bucket/prefix`; keys are those of S3."""

    client: Any
    bucket: str
    prefix: str

    def pages(self, after: str | None, size: int) -> Iterator[Page]:
        """One listing call for each page; S3 lists in the order of UTF-8."""
        paginator = self.client.get_paginator("list_objects_v2")
        for page in paginator.paginate(
            Bucket=self.bucket,
            Prefix=self.prefix,
            StartAfter=after or "",
            PaginationConfig={"PageSize": size},
        ):
            if page.get("Contents"):
                yield {row["Key"]: row["LastModified"] for row in page["Contents"]}

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())


@dataclass(frozen=True)
class Folder:
    """A local copy; keys are paths below it."""

    root: Path
    prefix: str = ""

    def pages(self, after: str | None, size: int) -> Iterator[Page]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        keys = sorted(path.relative_to(self.root).as_posix() for path in paths)
        rest = [key for key in keys if after is None or key > after]
        for start in range(0, len(rest), size):
            yield {key: modified_at(self.root / key) for key in rest[start : start + size]}

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()


def is_result(key: str, source: Source) -> bool:
    """Whether to read it: answers to requests lie where no bucket's results can."""
    return key.endswith(".json") and not key.startswith(source.prefix + REQUESTS)


def modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def open_source(text: str) -> Source:
    """The source that the command line names; S3 with boto3's usual credentials.

    Raises NotADirectoryError where it is neither in S3 nor a folder.
    """
    if not text.startswith("s3://"):
        folder = Path(os.path.expanduser(text))
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no such folder; did you mean s3://...?", text)
        return Folder(folder)
    import boto3
    from botocore.config import Config

    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    config = Config(max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 8})
    # A prefix names a folder: "out" must not take "out-of-date/" with it.
    below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return Prefix(boto3.client("s3", config=config), bucket, below)
