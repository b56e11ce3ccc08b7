"""Persons that exist before they have faces, and faces that move between persons.

For protocols in which a face comes first and its person later (`handler.rekognition`): a loose
face is a person of its own, `@` and the tail of its id, until it is moved to a user. The tail
stays, so that the face is found under it wherever it went.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice

import msgspec
from msgspec import Struct

from handler.search import names
from handler.search.collection import Collection
from handler.search.types import Face

LOOSE = "@"
# More faces than this are looked up by one listing of the collection instead of one by one.
FEW = 32


class UserRecord(Struct, frozen=True, kw_only=True):
    """The object that says a user exists; `token` is of the request that made it."""

    user: str
    token: str | None = None


class MovedRecord(Struct, frozen=True, kw_only=True):
    """Where a face went: the digest that its person's group begins with."""

    group: str


def loose_person(tail: str) -> str:
    """The person that a face without one is."""
    return LOOSE + tail


def user_of(face: Face) -> str | None:
    """The face's person; None for a loose face and one that a bucket brought in."""
    person = face.person
    return None if person is None or person.startswith(LOOSE) else person


def placed(face: Face, person: str) -> Face:
    """The same face as `person`'s."""
    group = names.person_group(person)
    identifier = names.group_digest(group) + names.tail_of(face.key)
    return replace(face, key=names.face_key(group, identifier), person=person)


@dataclass(frozen=True)
class Users:
    """The users of a collection, whose names begin with no `@`."""

    collection: Collection

    def create(self, user: str, token: str | None) -> UserRecord | None:
        """Makes a user; None where that was done, else the record that is there."""
        record = UserRecord(user=names.check_person(user), token=token)
        key = self._name_key(user)
        if self.collection.truth.write_new(key, msgspec.json.encode(record)):
            return None
        return self.read(user)

    def read(self, user: str) -> UserRecord | None:
        """The user's record; None where there is no such user."""
        body = self.collection.truth.read(self._name_key(user))
        return None if body is None else msgspec.json.decode(body, type=UserRecord)

    def delete(self, user: str, token: str | None = None) -> None:
        """Removes the user's record; the faces are the caller's to move first.

        `token` is of the request that asks; `was_deleted_by` knows it until the collection goes.
        """
        self.collection.truth.delete([self._name_key(user)])
        if token is not None:
            self.collection.truth.write_new(self._deletion_key(user, token), b"{}")

    def was_deleted_by(self, user: str, token: str | None) -> bool:
        """Whether the request with this token deleted the user."""
        if token is None:
            return False
        return self.collection.truth.read(self._deletion_key(user, token)) is not None

    def names(self, after: str | None = None, limit: int | None = None) -> list[str]:
        """Users in the order of their digests, after one of them."""
        start = self._name_key(after) if after else ""
        found = islice(self.collection.truth.keys(self._names, start), limit)
        return [name for key in found if (name := self._name_of(key)) is not None]

    def count(self) -> int:
        """How many users there are."""
        return sum(1 for _ in self.collection.truth.keys(self._names))

    def faces(self, user: str) -> list[Face]:
        """The user's faces, by the truth; may be none."""
        return self.collection.read_all(self.collection.face_keys(names.person_group(user)))

    def has_faces(self, user: str) -> bool:
        """Whether the user has any face."""
        prefix = f"{self.collection.record.prefix}{names.person_group(user)}/"
        return next(iter(self.collection.truth.keys(prefix)), None) is not None

    def find(self, tails: Iterable[str]) -> dict[str, Face]:
        """The faces with these tails that the collection holds."""
        wanted = list(dict.fromkeys(tails))
        keys = {} if len(wanted) > FEW else self._find_directly(wanted)
        left = {tail for tail in wanted if tail not in keys}
        if left:
            keys |= self._find_by_listing(left)
        faces = self.collection.read_all([keys[tail] for tail in wanted if tail in keys])
        return {names.tail_of(face.key): face for face in faces}

    def move(self, face: Face, person: str) -> Face:
        """Makes the face `person`'s: there first, then no longer here. May be repeated."""
        moved = placed(face, person)
        if moved.key == face.key:
            return face
        self.collection.add([moved])
        self.collection.delete_keys([face.key])
        if not person.startswith(LOOSE):
            record = MovedRecord(group=names.group_digest(moved.group))
            self.collection.truth.replace(self._moved_key(face.key), msgspec.json.encode(record))
        return moved

    def _find_directly(self, tails: Iterable[str]) -> dict[str, str]:
        """Keys of faces where they were put first, or where a move says that they are."""
        found = {}
        for tail in tails:
            key = self._moved(tail) or self._loose(tail)
            if key is not None:
                found[tail] = key
        return found

    def _find_by_listing(self, tails: set[str]) -> dict[str, str]:
        """Of a face that a move left in two places, the one that it was moved to."""
        prefix = self.collection.record.prefix
        found: dict[str, str] = {}
        for listed in self.collection.truth.keys(prefix):
            key = listed[len(prefix) :]
            tail = names.tail_of(key)
            if tail in tails and (tail not in found or key != _loose_key(tail)):
                found[tail] = key
        return found

    def _moved(self, tail: str) -> str | None:
        body = self.collection.truth.read(self._moved_key("0" * names.DIGEST + tail))
        if body is None:
            return None
        return self.collection.find_face(msgspec.json.decode(body, type=MovedRecord).group + tail)

    def _loose(self, tail: str) -> str | None:
        key = _loose_key(tail)
        return None if self.collection.read(key) is None else key

    @property
    def _prefix(self) -> str:
        record = self.collection.record
        return names.users_prefix(record.name, record.generation)

    @property
    def _names(self) -> str:
        return f"{self._prefix}names/"

    def _name_key(self, user: str) -> str:
        return f"{self._names}{names.person_group(user).removeprefix(names.PERSONS)}.json"

    def _deletion_key(self, user: str, token: str) -> str:
        """A digest with the caller's secret in it, as the user's name has to be gone."""
        digest = sha256(f"{token}\0{user}".encode()).hexdigest()
        return f"{self._prefix}deleted/{digest}.json"

    def _name_of(self, key: str) -> str | None:
        """The user of a record's key, which holds the name unless it is long."""
        group = names.PERSONS + key.removeprefix(self._names).removesuffix(".json")
        name = names.person_of_group(group)
        if name is not None:
            return name
        body = self.collection.truth.read(key)
        return None if body is None else msgspec.json.decode(body, type=UserRecord).user

    def _moved_key(self, face: str) -> str:
        record = self.collection.record
        return names.moved_key(record.name, record.generation, face)


def _loose_key(tail: str) -> str:
    group = names.person_group(loose_person(tail))
    return names.face_key(group, names.group_digest(group) + tail)
