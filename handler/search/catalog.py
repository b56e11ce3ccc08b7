"""All collections of one truth: create, open, list, delete."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice

import msgspec

from handler.errors import ApiError
from handler.search import names
from handler.search.collection import Check, Collection, Removed, not_found, read_record
from handler.search.index import Index
from handler.search.truth import Truth, open_truth
from handler.search.types import CollectionRecord
from handler.settings import Settings

# Indexes kept open: those in memory hold all their faces.
MOST_INDEXES = 16


@dataclass(eq=False)
class Collections:
    """All collections below one truth."""

    truth: Truth
    make_index: Callable[[Truth, CollectionRecord], Index]
    most_faces: int | None = None
    _indexes: dict[str, Index] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, name: str, contract: str, dimension: int) -> "Collection":
        """Creates a collection, or returns the existing one, whatever its contract."""
        there = self.record(names.check_collection(name))
        if there is not None:
            return self.open_record(there)
        self.create_new(name, contract, dimension)
        return self.open(name)

    def create_new(self, name: str, contract: str, dimension: int) -> bool:
        """Creates a collection unless it exists; returns whether it was created."""
        record = CollectionRecord(
            name=names.check_collection(name),
            contract=contract,
            dimension=dimension,
            generation=secrets.token_hex(6),
            created=round(time.time(), 3),
        )
        return self.truth.write_new(names.collection_key(name), msgspec.json.encode(record))

    def open(self, name: str) -> "Collection":
        """The collection. Raises CollectionNotFound."""
        record = self.record(names.check_collection(name))
        if record is None:
            raise not_found()
        return self.open_record(record)

    def open_record(self, record: CollectionRecord) -> "Collection":
        """The collection that `record` describes, whether or not it is the current one."""
        with self._lock:
            index = self._indexes.get(record.prefix)
            if index is None:
                while len(self._indexes) >= MOST_INDEXES:  # the one that was opened first
                    self._indexes.pop(next(iter(self._indexes)))
                index = self._indexes[record.prefix] = self.make_index(self.truth, record)
        return Collection(self.truth, record, index, self.most_faces or index.most_faces)

    def record(self, name: str) -> CollectionRecord | None:
        """What the truth says of the collection now."""
        return read_record(self.truth, name)

    def names(self, after: str = "", limit: int | None = None) -> list[str]:
        """Names of collections above `after`, in order."""
        return list(islice(self.truth.folders("collections/", after), limit))

    def replace_record(self, record: CollectionRecord) -> None:
        """Makes `record` the current one of its name, which completes a move."""
        self.truth.replace(names.collection_key(record.name), msgspec.json.encode(record))

    def delete(self, name: str, check: Check = lambda: None) -> Removed:
        """Removes a collection with all that is in it, of every generation.

        Raises CollectionNotFound where nothing of it is there. `check` is called between steps and
        may raise Timeout; the same call made again goes on.
        """
        names.check_collection(name)
        record = self.record(name)
        self.truth.delete([names.collection_key(name)])
        self.truth.delete(list(self.truth.keys(names.users_prefix(name))))
        generations = list(self.truth.folders(f"faces/{name}/"))
        if record is not None and record.generation not in generations:
            generations.append(record.generation)
        if not generations:
            raise not_found()
        persons = 0
        faces: list[str] = []
        for generation in generations:
            collection = self.open_record(_record_of(name, generation, record))
            removed = collection.delete_below("", check)
            collection.index.drop()
            with self._lock:
                self._indexes.pop(collection.record.prefix, None)
            persons += removed.persons
            faces += removed.faces
        return Removed(persons, tuple(faces))


def _record_of(name: str, generation: str, current: CollectionRecord | None) -> CollectionRecord:
    """The record of a generation that may be an old one, of which only the name is left."""
    if current is not None and current.generation == generation:
        return current
    return CollectionRecord(name=name, contract="", dimension=1, generation=generation)


@cache
def open_collections(settings: Settings) -> Collections:
    """The collections that the settings name. Raises CollectionNotFound where they name none."""
    if settings.collections is None:
        raise ApiError(
            "CollectionNotFound",
            "Collections are off: FACENET_COLLECTIONS is not set.",
            fixable=True,
        )
    truth = open_truth(settings.collections)
    engine, _, bucket = settings.index.partition(":")
    make = partial(_vectors_index, bucket) if engine == "s3vectors" else _memory_index
    return Collections(truth, make, settings.collection_faces)


def _memory_index(truth: Truth, record: CollectionRecord) -> Index:
    from handler.search.index_memory import MemoryIndex

    return MemoryIndex(truth, record)


def _vectors_index(bucket: str, truth: Truth, record: CollectionRecord) -> Index:
    from handler.search.index_vectors import VectorsIndex, vectors_client

    return VectorsIndex(truth, record, bucket, vectors_client())
