"""One collection in the store of record (the truth) and the index: no pictures, no requests.

A write goes to the truth, then to the index, then checks the truth again; a deletion goes to the
index, the truth, and the index again. In whatever order two of them interleave, and wherever one of
them stops, no search finds a face that the truth does not hold, and repeating the call completes
the rest. docs/search.md has the argument.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import msgspec

from handler.errors import ApiError
from handler.search import names
from handler.search.index import Index
from handler.search.truth import Truth
from handler.search.types import CollectionRecord, Face, Gallery, read_face

# Keys that a deletion handles between two deadline checks.
DELETE_STEP = 500
REBUILD_STEP = 500
READERS = 16  # as many connections as the client of S3 keeps
# Deletions list again until nothing is left, but at most this often, since a writer may keep
# adding.
DELETE_ROUNDS = 8
BUSY = "Other requests keep adding faces to what is being deleted; try again."

Check = Callable[[], None]


@dataclass(frozen=True)
class Removed:
    """What a deletion took away."""

    persons: int
    faces: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Collection:
    """One collection: its record, its index, and the truth that both come from."""

    truth: Truth
    record: CollectionRecord
    index: Index
    most_faces: int
    moving: bool = False  # a generation that is being filled and is not the current one yet

    def require_contract(self, contract: str) -> None:
        """Raises ModelMismatch (409), with both contracts, where it is not the collection's."""
        if contract != self.record.contract:
            raise ApiError(
                "ModelMismatch",
                "The collection's faces were embedded under another contract; "
                "docs/search.md says how to move it.",
                details={"contract": self.record.contract, "model": contract},
                status=409,
            )

    def gallery(self) -> Gallery:
        return self.index.gallery()

    def add(self, faces: Sequence[Face]) -> list[bool]:
        """Adds faces; for each, whether it is new. Nothing changes where all are there already.

        Raises CollectionFull, CollectionNotFound where it was deleted meanwhile, and what the
        engines raise; the same call made again completes what was left.
        """
        self._require_room(len(faces))
        added = [
            self.truth.write_new(self._key(face.key), face.document(self.record.contract))
            for face in faces
        ]
        self.index.upsert(faces)
        self._confirm(faces)
        return added

    def face_keys(self, group: str, face_prefix: str = "") -> list[str]:
        """Keys of a group's faces whose ids begin with `face_prefix`."""
        below = group if group.endswith(names.FACE_SUFFIX) else f"{group}/{face_prefix}"
        return self._list_keys(below)

    def find_face(self, face: str) -> str | None:
        """Key of the face with an id; None where there is none."""
        for kind in (names.PERSONS, names.OBJECTS):
            start = kind + face[: names.DIGEST]
            for folder in self.truth.folders(self.record.prefix + start):
                key = names.face_key(start + folder, face)
                if self.truth.read(self._key(key)) is not None:
                    return key
        return None

    def persons(self, after: str | None, limit: int) -> list[str]:
        """Names of persons, at most `limit`, in the order of their digests; after a person."""
        start = names.person_group(after).removeprefix(names.PERSONS) if after else ""
        folders = self.truth.folders(self.record.prefix + names.PERSONS, start)
        return [self._person(names.PERSONS + folder) for folder in islice(folders, limit)]

    def person_faces(self, person: str) -> list[Face]:
        """The faces of a person, by the truth. Raises PersonNotFound."""
        group = names.person_group(person)
        keys = self.face_keys(group)
        if not keys:
            raise person_not_found()
        return [face for key in keys if (face := self.read(key)) is not None]

    def person_vectors(self, person: str) -> list[Face]:
        """The faces of a person, by the index. Raises PersonNotFound."""
        group = names.person_group(person)
        faces = self.index.faces([group])[group]
        if not faces:
            raise person_not_found()
        return faces

    def read(self, key: str) -> Face | None:
        """The face with a key; None where it is gone."""
        body = self.truth.read(self._key(key))
        return None if body is None else read_face(key, body)

    def read_all(self, keys: Sequence[str]) -> list[Face]:
        """The faces with these keys, in order, without those that are gone."""
        if not keys:
            return []
        with ThreadPoolExecutor(min(READERS, len(keys))) as pool:
            return [face for face in pool.map(self.read, keys) if face is not None]

    def faces(self) -> Iterator[Face]:
        """Every face, by the truth."""
        for key in self.truth.keys(self.record.prefix):
            face = self.read(key[len(self.record.prefix) :])
            if face is not None:
                yield face

    def delete_person(self, person: str, check: Check = lambda: None) -> Removed:
        """Removes a person with all faces. Raises PersonNotFound."""
        removed = self.delete_below(f"{names.person_group(person)}/", check)
        if not removed.faces:
            raise person_not_found()
        return removed

    def delete_face(self, face: str) -> Removed:
        """Removes one face. Raises PersonNotFound where the collection has no such face."""
        key = self.find_face(face)
        if key is None:
            raise ApiError("PersonNotFound", "The collection has no such face.")
        self.delete_keys([key])
        group = names.group_of_key(key)
        left = key != group and self._list_keys(f"{group}/")
        return Removed(0 if left else 1, (face,))

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Removes faces by their keys; one that somebody adds meanwhile stays, whole."""
        if keys:
            self._remove(keys)
            self._restore(keys)

    def _remove(self, keys: Sequence[str]) -> None:
        """Removes faces from the index, the truth, and the index once more."""
        self.index.delete(keys)
        place = self.record.name, self.record.generation
        moves = [names.moved_key(*place, key) for key in keys]
        self.truth.delete([*(self._key(key) for key in keys), *moves])
        self.index.delete(keys)

    def _restore(self, keys: Sequence[str]) -> None:
        """Adds to the index again, after a deletion, those of these faces that the truth holds.

        Another writer may have added a face between the last two steps of `_remove`, and a listing
        of a folder may miss a file while others come and go.
        """
        for _ in range(DELETE_ROUNDS):
            held = self.read_all(keys)
            if not held:
                return
            self.index.upsert(held)
            there = {face.key for face in self.read_all([face.key for face in held])}
            keys = [face.key for face in held if face.key not in there]
            if not keys:
                return
            self.index.delete(keys)
        raise ApiError("StorageUnavailable", BUSY)

    def delete_below(self, below: str, check: Check = lambda: None) -> Removed:
        """Removes all faces whose keys begin with `below`, until none is left.

        The truth is checked last, so no face that it then holds is missing in the index.
        """
        groups: set[str] = set()
        faces: list[str] = []
        for _ in range(DELETE_ROUNDS):
            keys = self._list_keys(below)
            if not keys:
                return Removed(len(groups), tuple(faces))
            for start in range(0, len(keys), DELETE_STEP):
                check()
                step = keys[start : start + DELETE_STEP]
                self._remove(step)
                groups |= {names.group_of_key(key) for key in step}
                faces += [names.face_of_key(key) for key in step]
        raise ApiError("StorageUnavailable", BUSY)

    def rebuild(self, check: Check = lambda: None) -> int:
        """Adds every face of the truth to the index; returns how many there are."""
        total = 0
        faces = self.faces()
        while batch := list(islice(faces, REBUILD_STEP)):
            check()
            self.index.upsert(batch)
            total += len(batch)
        return total

    def sweep(self) -> int:
        """Removes from the index what the truth does not hold; returns how many."""
        stray = sorted(self.index.stored_keys() - set(self._list_keys("")))
        confirmed = [key for key in stray if self.truth.read(self._key(key)) is None]
        self.index.delete(confirmed)
        return len(confirmed)

    def _person(self, group: str) -> str:
        """The name of a person's group; a long one stands in its faces."""
        name = names.person_of_group(group)
        if name is not None:
            return name
        first = next(iter(self._list_keys(f"{group}/")), None)
        face = self.read(first) if first else None
        return (face.person if face else None) or ""

    def _require_room(self, more: int) -> None:
        held = self.index.gallery(fresh=False).faces
        if held + more > self.most_faces:
            raise ApiError(
                "CollectionFull",
                f"The collection has no room for these faces: it holds {held} of at "
                f"most {self.most_faces}.",
                details={"faces": held, "limit": self.most_faces},
            )

    def _confirm(self, faces: Sequence[Face]) -> None:
        """Removes from the index what was deleted while it was being added."""
        current = self.record if self.moving else read_record(self.truth, self.record.name)
        if current is None or current.generation != self.record.generation:
            self._remove([face.key for face in faces])
            self.index.drop()
            raise not_found()
        gone: list[str] = []
        for group in {face.key.rpartition("/")[0] for face in faces}:
            there = set(self._list_keys(f"{group}/"))
            gone += [
                face.key
                for face in faces
                if face.key.rpartition("/")[0] == group and face.key not in there
            ]
        if gone:
            self.index.delete(gone)
            self._restore(gone)

    def _key(self, key: str) -> str:
        return self.record.prefix + key

    def _list_keys(self, below: str) -> list[str]:
        prefix = self.record.prefix
        return [key[len(prefix) :] for key in self.truth.keys(prefix + below)]


def read_record(truth: Truth, name: str) -> CollectionRecord | None:
    """What the truth says of a collection now; None where there is none."""
    body = truth.read(names.collection_key(name))
    return None if body is None else msgspec.json.decode(body, type=CollectionRecord)


def not_found() -> ApiError:
    """There is no such collection."""
    return ApiError("CollectionNotFound", "There is no such collection.")


def person_not_found() -> ApiError:
    """The collection has no such person."""
    return ApiError("PersonNotFound", "The collection has no such person.")
