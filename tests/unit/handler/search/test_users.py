"""Users before they have faces, and faces that move, on both engines."""

from dataclasses import replace

import pytest

from handler.search import names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from handler.search.types import Face
from handler.search.users import LOOSE, Users, loose_person, placed, user_of
from tests.unit.handler.search.conftest import CONTRACT, DIMENSION, found, vector

NOTE = {"external": "a.jpg", "box": [0.1, 0.2, 0.3, 0.4], "confidence": 99.5}


@pytest.fixture
def users(staff: Collection) -> Users:
    return Users(staff)


def loose(content: str, seed: int) -> Face:
    tail = names.face_tail(content, CONTRACT)
    return placed(Face(f"{'0' * 16}{tail}.json", vector(seed), note=NOTE), loose_person(tail))


def tail(face: Face) -> str:
    return names.tail_of(face.key)


def test_a_user_is_made_once_and_listed_in_pages(users: Users) -> None:
    assert users.create("ann", "t1") is None
    there = users.create("ann", "t2")
    assert there is not None
    assert there.token == "t1"
    for number in range(5):
        users.create(f"user {number} {'é' * 100}", None)
    first = users.names(None, 2)
    rest = users.names(first[-1])
    assert (len(first), len(rest), len({*first, *rest})) == (2, 4, 6)
    assert users.count() == 6
    users.delete("ann")
    assert users.read("ann") is None


def test_a_face_moves_and_keeps_tail_note_and_vector(users: Users, staff: Collection) -> None:
    face = loose("1", 1)
    staff.add([face])
    assert user_of(face) is None
    moved = users.move(face, "ann")
    assert (tail(moved), user_of(moved)) == (tail(face), "ann")
    assert users.find([tail(face)])[tail(face)].key == moved.key
    assert [each.note for each in users.faces("ann")] == [NOTE]
    [kept] = staff.index.faces([names.person_group("ann")])[names.person_group("ann")]
    assert (kept.note, kept.vector.tolist()) == (NOTE, face.vector.tolist())
    assert found(staff, face.vector) == ["ann"]
    back = users.move(moved, loose_person(tail(moved)))
    assert back.key == face.key
    assert not users.has_faces("ann")
    assert users.find([tail(face)])[tail(face)].key == face.key
    assert staff.gallery().faces == 1


def test_many_faces_are_found_by_one_listing_and_few_one_by_one(
    users: Users, staff: Collection
) -> None:
    faces = [loose(str(number), number) for number in range(40)]
    staff.add(faces)
    users.move(faces[0], "ann")
    for wanted in (faces[:3], faces):
        held = users.find([tail(face) for face in wanted] + ["f" * 24])
        assert set(held) == {tail(face) for face in wanted}
        assert held[tail(faces[0])].person == "ann"


def test_a_face_enrolled_elsewhere_is_found_by_its_tail(users: Users, staff: Collection) -> None:
    group = names.person_group("bob")
    face = Face(names.face_key(group, names.face_id(group, "1", CONTRACT)), vector(1), "bob")
    staff.add([face])
    assert users.find([tail(face)])[tail(face)].person == "bob"


def test_a_move_that_stopped_half_way_is_completed_by_the_next(
    users: Users, staff: Collection
) -> None:
    face = loose("1", 1)
    staff.add([face, placed(face, "ann")])  # and no deletion, no record of the move
    held = users.find([tail(face), "f" * 24, *(f"{number:024x}" for number in range(40))])
    assert held[tail(face)].person == "ann"
    assert users.move(face, "ann").person == "ann"
    assert staff.gallery().faces == 1


def test_nothing_is_left_of_a_deleted_face_or_collection(
    users: Users, staff: Collection, collections: Collections
) -> None:
    face = loose("1", 1)
    staff.add([face])
    users.create("ann", None)
    moved = users.move(face, "ann")
    staff.delete_keys([moved.key])
    left = list(staff.truth.keys("users/"))
    assert len(left) == 1  # the user's own record
    collections.delete("staff")
    assert list(staff.truth.keys("")) == []


def test_users_of_a_collection_made_anew_are_new(users: Users, collections: Collections) -> None:
    users.create("ann", None)
    collections.delete("staff")
    again = Users(collections.create("staff", CONTRACT, DIMENSION))
    assert again.names() == []
    assert replace(users, collection=again.collection).read("ann") is None


def test_no_users_name_begins_as_a_loose_face_does() -> None:
    assert loose_person("0" * 24).startswith(LOOSE)
