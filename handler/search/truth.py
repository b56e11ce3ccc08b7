"""The truth: one small object per face, below a prefix of S3 or in a folder.

Keys sort as S3 sorts them. `S3Truth` goes through `handler.storage`, the one gateway to S3;
`FolderTruth` serves the local server and tests, and gives the same guarantees: a new key is written
whole or not at all, by one of several writers.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from handler.errors import ApiError
from handler.storage.prefix import ObjectPrefix

# Retries of a write below a folder that a deletion just removed.
FOLDER_RACES = 100
CHANGES = ".changes.part"  # its length counts the changes; `.part` hides it from listings


class Truth(Protocol):
    """Objects by key. Called from several threads. Raises StorageUnavailable and the like."""

    def read(self, key: str) -> bytes | None:
        """The object; None where there is none."""

    def write_new(self, key: str, body: bytes) -> bool:
        """Writes unless the key exists; whether it was written."""

    def replace(self, key: str, body: bytes) -> None:
        """Writes, whether the key exists or not."""

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order, from the first one above `after`."""

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        """What stands between `prefix` and the next slash, in order, each once; above `after`."""

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes; a key that is not there is no error."""

    def stamp(self) -> int | None:
        """Another number after every change; None where only a listing tells."""


def open_truth(location: str, s3_client: Any = None) -> Truth:
    """The truth at `s3://bucket/prefix` or in a folder."""
    if not location.startswith("s3://"):
        return FolderTruth(Path(location))
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    return ObjectPrefix(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", s3_client)


@dataclass(frozen=True)
class FolderTruth:
    """Objects as files below `root`."""

    root: Path

    def read(self, key: str) -> bytes | None:
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as failure:
            raise unavailable() from failure

    def write_new(self, key: str, body: bytes) -> bool:
        path = self.root / key
        for _ in range(FOLDER_RACES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with self._changing():
                    return _link_new(path, body)
            except (FileNotFoundError, FileExistsError):
                # A deletion removed the folder in between. `mkdir` raises FileExistsError where the
                # folder was there when it began and gone when it looked at it.
                continue
            except OSError as failure:
                raise unavailable() from failure
        raise unavailable()

    def replace(self, key: str, body: bytes) -> None:
        path = self.root / key
        for _ in range(FOLDER_RACES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                written = _temporary(path, body)
                with self._changing():
                    os.replace(written, path)
            except (FileNotFoundError, FileExistsError):
                continue  # as above
            except OSError as failure:
                raise unavailable() from failure
            return
        raise unavailable()

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        folder, _, start = prefix.rpartition("/")
        for name, is_folder in _entries(self.root / folder):
            if not (name.startswith(start) or (is_folder and f"{name}/".startswith(start))):
                continue
            key = f"{folder}/{name}" if folder else name
            if not is_folder:
                if key > after:
                    yield key
            elif f"{key}/\U0010ffff" > after:  # else nothing of it is above `after`
                yield from self.keys(f"{key}/", after)

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        folder, _, start = prefix.rpartition("/")
        for name, is_folder in _entries(self.root / folder):
            if is_folder and name.startswith(start) and f"{name}/" > f"{after}/":
                yield name[len(start) :] if start else name

    def delete(self, keys: Sequence[str]) -> None:
        try:
            with self._changing():
                self._delete(keys)
        except OSError as failure:
            raise unavailable() from failure

    def stamp(self) -> int | None:
        try:
            return os.stat(self.root / CHANGES).st_size
        except FileNotFoundError:
            return 0
        except OSError as failure:
            raise unavailable() from failure

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Around a change: a byte before it, and one when it can be seen.

        Who reads the stamp and then lists sees the change, or sees another stamp the next time.
        """
        self._count()
        try:
            yield
        finally:
            self._count()

    def _count(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root / CHANGES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, b".")
        finally:
            os.close(handle)

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            with suppress(FileNotFoundError):
                (self.root / key).unlink()
            self._remove_empty((self.root / key).parent)

    def _remove_empty(self, folder: Path) -> None:
        """Removes folders that hold nothing: their names are persons' names."""
        while folder != self.root and self.root in folder.parents:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent


def _link_new(path: Path, body: bytes) -> bool:
    """Writes beside `path` and links it there, which fails where the name is taken."""
    written = _temporary(path, body)
    try:
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(written)
    return True


def _temporary(path: Path, body: bytes) -> str:
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    return name


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Names below a folder and whether each is a folder, in S3's order; no unfinished files."""
    try:
        with os.scandir(folder) as found:
            entries = [(entry.name, entry.is_dir()) for entry in found]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as failure:
        raise unavailable() from failure
    kept = [entry for entry in entries if not entry[0].endswith(".part")]
    return sorted(kept, key=lambda entry: f"{entry[0]}/" if entry[1] else entry[0])


def unavailable() -> ApiError:
    """The error for a failed file operation, without its text, which may hold a person's name."""
    return ApiError(
        "StorageUnavailable", "The collections could not be read or written; try again."
    )
