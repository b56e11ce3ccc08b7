"""The embedded engine: exact, in memory, numpy over the truth.

Before each question the truth is listed and what changed is read, so that a face that another
process enrolled or deleted is found or gone. A listing costs one call of S3 per thousand faces:
docs/search.md says up to which size that is wise. A folder says without one that nothing changed.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from handler.search import names
from handler.search.truth import Truth
from handler.search.types import CollectionRecord, Engine, Face, Gallery, read_face

MOST_FACES = 100_000
READERS = 16
READ_AT_ONCE = 512
FIRST_ROWS = 1024
NOWHERE: NDArray[np.float32] = np.zeros(0, np.float32)  # of a face whose vector is in the matrix


@dataclass(eq=False)
class MemoryIndex:
    """The faces of one collection as rows of one matrix."""

    truth: Truth
    record: CollectionRecord
    most_faces: int = MOST_FACES
    engine: ClassVar[Engine] = "memory"
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _rows: dict[str, int] = field(default_factory=dict)
    _faces: list[Face] = field(default_factory=list)
    _groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _matrix: NDArray[np.float32] | None = None
    _loaded: bool = False
    _stamp: int | None = None

    def upsert(self, faces: Sequence[Face]) -> None:
        with self._lock:
            for face in faces:
                self._upsert(face)

    def delete(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._remove(key)

    def nearest_groups(self, probes: NDArray[np.float32], count: int) -> list[list[str]]:
        with self._lock:
            self._refresh()
            return [self._nearest(probe, count) for probe in probes]

    def faces(self, groups: Sequence[str]) -> dict[str, list[Face]]:
        with self._lock:
            self._refresh(groups[0] if len(groups) == 1 else None)
            return {group: self._read_group(group) for group in groups}

    def gallery(self, *, fresh: bool = True) -> Gallery:
        with self._lock:
            if fresh or not self._loaded:
                self._refresh()
            return Gallery(persons=len(self._groups), faces=len(self._faces))

    def stored_keys(self) -> set[str]:
        with self._lock:
            return set(self._rows)

    def drop(self) -> None:
        with self._lock:
            self._rows.clear()
            self._faces.clear()
            self._groups.clear()
            self._matrix = None
            self._loaded = False

    def _nearest(self, probe: NDArray[np.float32], count: int) -> list[str]:
        """The groups of the largest products: of unit vectors these are the nearest."""
        if self._matrix is None or not self._faces:
            return []
        products = self._matrix[: len(self._faces)] @ probe
        wanted, reach = min(count, len(self._groups)), max(4 * count, 64)
        while True:
            found = list(
                dict.fromkeys(self._faces[row].group for row in _top_rows(products, reach))
            )
            if len(found) >= wanted:
                return found[:count]
            reach *= 8

    def _read_group(self, group: str) -> list[Face]:
        if self._matrix is None:
            return []
        rows = [self._rows[key] for key in sorted(self._groups.get(group, ()))]
        return [_with_vector(self._faces[row], self._matrix[row]) for row in rows]

    def _refresh(self, group: str | None = None) -> None:
        """Reads faces that are new in the truth, and drops those that are gone."""
        stamp = self.truth.stamp()
        if self._loaded and stamp is not None and stamp == self._stamp:
            return
        prefix = self.record.prefix
        below = "" if group is None else names.keys_below(group)
        held = set(self._rows if group is None else self._groups.get(group, ()))
        there = {key[len(prefix) :] for key in self.truth.keys(prefix + below)}
        for key in held - there:
            self._remove(key)
        for face in self._read(sorted(there - held)):
            self._upsert(face)
        if group is None:
            self._loaded, self._stamp = True, stamp

    def _read(self, keys: Sequence[str]) -> Iterator[Face]:
        """The faces of the keys, but for those that are gone since; some at a time."""
        prefix = self.record.prefix
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, len(keys), READ_AT_ONCE):
                some = keys[start : start + READ_AT_ONCE]
                bodies = pool.map(self.truth.read, [prefix + key for key in some])
                for key, body in zip(some, bodies, strict=True):
                    if body is not None:
                        yield read_face(key, body)

    def _upsert(self, face: Face) -> None:
        row = self._rows.get(face.key, len(self._faces))
        matrix = self._ensure_rows(row + 1, len(face.vector))
        matrix[row] = face.vector
        if row == len(self._faces):
            self._rows[face.key] = row
            self._faces.append(replace(face, vector=NOWHERE))
            self._groups[face.group].add(face.key)

    def _remove(self, key: str) -> None:
        """Moves the last row into the place of the one that goes, and blanks the last."""
        row = self._rows.pop(key, None)
        if row is None or self._matrix is None:
            return
        gone, last = self._faces[row], len(self._faces) - 1
        if row != last:
            self._matrix[row] = self._matrix[last]
            self._faces[row] = self._faces[last]
            self._rows[self._faces[row].key] = row
        self._matrix[last] = 0
        self._faces.pop()
        members = self._groups[gone.group]
        members.discard(key)
        if not members:
            del self._groups[gone.group]

    def _ensure_rows(self, rows: int, dimension: int) -> NDArray[np.float32]:
        """The matrix with at least so many rows; it grows by half."""
        if self._matrix is None:
            self._matrix = np.zeros((FIRST_ROWS, dimension), np.float32)
        elif rows > len(self._matrix):
            larger = np.zeros((len(self._matrix) * 3 // 2, dimension), np.float32)
            larger[: len(self._matrix)] = self._matrix
            self._matrix = larger
        return self._matrix


def _with_vector(face: Face, row: Any) -> Face:
    return replace(face, vector=np.array(row, np.float32))


def _top_rows(products: NDArray[np.float32], count: int) -> list[int]:
    """Rows of the `count` largest products, largest first."""
    if count < len(products):
        top = np.argpartition(-products, count)[:count]
        rows: list[int] = top[np.argsort(-products[top], kind="stable")].tolist()
        return rows
    everything: list[int] = np.argsort(-products, kind="stable").tolist()
    return everything
