"""The index: derived from the truth, and queried first by a search."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handler.search.types import Engine, Face, Gallery


class Index(Protocol):
    """The vectors of one collection, by the keys of their faces.

    A group is a person, or a face without one (`names.group_of_key`). Writes are idempotent.
    Raises ApiError (StorageUnavailable, ...). Called from several threads.
    """

    @property
    def engine(self) -> Engine:
        """Which kind of index it is."""

    @property
    def most_faces(self) -> int:
        """How many faces the engine holds."""

    def upsert(self, faces: Sequence[Face]) -> None:
        """Adds the faces; those that are there are replaced."""

    def delete(self, keys: Sequence[str]) -> None:
        """Removes the faces; a key that is not there is no error."""

    def nearest_groups(self, probes: NDArray[np.float32], count: int) -> list[list[str]]:
        """For each of `probes` (float32 [N,D]) the groups with the nearest faces, nearest first."""

    def faces(self, groups: Sequence[str]) -> dict[str, list[Face]]:
        """All faces of each group that truth and index hold, in order of their keys."""

    def gallery(self, *, fresh: bool = True) -> Gallery:
        """How much the collection holds; without `fresh`, as it was known last."""

    def stored_keys(self) -> set[str]:
        """Keys of all vectors that the index holds, whether the truth knows them or not."""

    def drop(self) -> None:
        """Removes the index with all its vectors."""
