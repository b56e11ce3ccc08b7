"""Pairs of pictures, and the pictures: a CSV file with a zip file or a folder."""

import csv
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("fold", "image_a", "image_b", "same")
PERSON_COLUMNS = {"image_a": "person_a", "image_b": "person_b"}
LABELS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Pairs:
    """The pairs in file order; `left` and `right` index into `names`.

    persons: who is on each of `names`, where the file says it in PERSON_COLUMNS; else empty.
    """

    names: tuple[str, ...]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    folds: NDArray[np.int64]
    same: NDArray[np.bool_]
    persons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Named pictures as files of bytes; `digest` tells two collections apart."""

    read: Callable[[str], bytes]
    digest: str


def read_pairs(path: Path, folds: set[int] | None = None) -> Pairs:
    """Reads fold,image_a,image_b,same; keeps the given folds, or all. Exits on another form.

    The columns person_a and person_b are optional: who is on each picture.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or not set(COLUMNS) <= set(reader.fieldnames):
                raise SystemExit(f"{path} needs the columns {', '.join(COLUMNS)}")
            rows = [parse_row(row, f"{path}, line {reader.line_num}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as exc:
        raise SystemExit(f"{path} is not a CSV file in UTF-8: {exc}") from None
    rows = [row for row in rows if folds is None or row["fold"] in folds]
    if not rows:
        raise SystemExit(f"{path} has no pairs in the folds asked for")
    names = sorted({row[side] for row in rows for side in ("image_a", "image_b")})
    place = {name: index for index, name in enumerate(names)}
    return Pairs(
        names=tuple(names),
        left=np.array([place[row["image_a"]] for row in rows]),
        right=np.array([place[row["image_b"]] for row in rows]),
        folds=np.array([row["fold"] for row in rows]),
        same=np.array([row["same"] for row in rows]),
        persons=_persons(rows, names),
    )


def _persons(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """The person of each name, or () where some row leaves one out."""
    said = {row[image]: row.get(who) for row in rows for image, who in PERSON_COLUMNS.items()}
    persons = tuple(said[name] or "" for name in names)
    return persons if all(persons) else ()


def parse_row(row: Mapping[str, str | None], place: str) -> dict[str, Any]:
    """A row with its fold as a number and its label as a truth value; exits naming the line."""
    fold, label = ((row[name] or "").strip() for name in ("fold", "same"))
    if not fold.isdecimal():
        raise SystemExit(f"{place}: a fold is a whole number, not {fold!r}")
    if label.lower() not in LABELS:
        raise SystemExit(f"{place}: same is 1 or 0, not {label!r}")
    for side in ("image_a", "image_b"):
        if not row[side]:
            raise SystemExit(f"{place}: {side} is empty")
    return {**row, "fold": int(fold), "same": LABELS[label.lower()]}


def require_measurable(pairs: Pairs) -> None:
    """Exits unless thresholds can be chosen on some folds and tried on another."""
    folds = np.unique(pairs.folds)
    if len(folds) < 2:
        raise SystemExit(
            "the pairs need at least two folds: the threshold for each fold comes from the others"
        )
    for fold in folds:
        if len(set(pairs.same[pairs.folds == fold].tolist())) < 2:
            raise SystemExit(f"fold {fold} needs pairs of one person and pairs of two")


def open_pictures(path: Path) -> Pictures:
    """A zip file or a folder of pictures. Exits, saying what is missing, where it is neither."""
    if path.is_dir():
        return Pictures(
            _reader(path, lambda name: (path / name).read_bytes()), _digest(_listing(path))
        )
    if not zipfile.is_zipfile(path):
        raise SystemExit(f"{path} is neither a folder nor a zip file of pictures")
    archive = zipfile.ZipFile(path)
    listing = "".join(f"{entry.filename}:{entry.CRC}\n" for entry in archive.infolist())
    return Pictures(_reader(path, archive.read), _digest(listing))


def _reader(path: Path, read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """`read`, which exits naming a picture that is not there or cannot be read."""

    def read_or_exit(name: str) -> bytes:
        try:
            return read(name)
        except (OSError, KeyError):
            raise SystemExit(
                f"{path} has no {name}, which the pairs name; names are paths below it"
            ) from None
        except (zipfile.BadZipFile, RuntimeError, zlib.error) as exc:  # damaged, or locked
            raise SystemExit(f"{path}: {name} cannot be read: {exc}") from None

    return read_or_exit


def _listing(folder: Path) -> str:
    """What changes when a picture does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    states = ((path, path.stat()) for path in files)
    return "".join(f"{path}:{state.st_size}:{state.st_mtime_ns}\n" for path, state in states)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
