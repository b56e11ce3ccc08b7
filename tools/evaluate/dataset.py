"""Pairs of pictures, and the pictures: a CSV file with a zip file or a folder."""

import csv
import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("fold", "image_a", "image_b", "same")


@dataclass(frozen=True)
class Pairs:
    """The pairs in file order; `left` and `right` index into `names`."""

    names: tuple[str, ...]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    folds: NDArray[np.int64]
    same: NDArray[np.bool_]


@dataclass(frozen=True)
class Pictures:
    """Named pictures as files of bytes; `digest` tells two collections apart."""

    read: Callable[[str], bytes]
    digest: str


def read_pairs(path: Path, folds: set[int] | None = None) -> Pairs:
    """Reads fold,image_a,image_b,same; keeps the given folds, or all. Exits on another form."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or not set(COLUMNS) <= set(reader.fieldnames):
            raise SystemExit(f"{path} needs the columns {', '.join(COLUMNS)}")
        rows = [row for row in reader if folds is None or int(row["fold"]) in folds]
    if not rows:
        raise SystemExit(f"{path} has no pairs in the folds asked for")
    names = sorted({row[side] for row in rows for side in ("image_a", "image_b")})
    place = {name: index for index, name in enumerate(names)}
    return Pairs(
        names=tuple(names),
        left=np.array([place[row["image_a"]] for row in rows]),
        right=np.array([place[row["image_b"]] for row in rows]),
        folds=np.array([int(row["fold"]) for row in rows]),
        same=np.array([row["same"] == "1" for row in rows]),
    )


def open_pictures(path: Path) -> Pictures:
    """A zip file or a folder of pictures. Exits, saying what is missing, where it is neither."""
    if path.is_dir():
        return Pictures(
            _reader(path, lambda name: (path / name).read_bytes()), _digest(str(path.resolve()))
        )
    if not zipfile.is_zipfile(path):
        raise SystemExit(f"{path} is neither a folder nor a zip file of pictures")
    archive = zipfile.ZipFile(path)
    listing = "".join(f"{entry.filename}:{entry.CRC}\n" for entry in archive.infolist())
    return Pictures(_reader(path, archive.read), _digest(listing))


def _reader(path: Path, read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """`read`, which exits naming a picture that is not there."""

    def read_or_exit(name: str) -> bytes:
        try:
            return read(name)
        except (OSError, KeyError):
            raise SystemExit(
                f"{path} has no {name}, which the pairs name; names are paths below it"
            ) from None

    return read_or_exit


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
