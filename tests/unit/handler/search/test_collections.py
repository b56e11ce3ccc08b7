"""What both engines do alike: enrol, find, list, delete."""

import msgspec
import numpy as np
import pytest

from handler.errors import ApiError
from handler.search import names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from handler.search.types import BucketFace, CollectionRecord
from handler.storage.types import ObjectReference
from tests.unit.handler.search.conftest import CONTRACT, DIMENSION, face, found, vector

HOSTILE = [
    "a/b",
    "..",
    ".",
    "_objects",
    "ann.e",
    "ann",
    "100%",
    "%2F",
    "Ælfrēd 王",
    "x" * 255,
    "\U0001f600" * 255,
    "a b+c",
    "~",
    "\\ \" ' <script>",
]


def test_who_was_enrolled_is_found_nearest_first(staff: Collection) -> None:
    ann, bob = vector(1), vector(2)
    staff.add([face("ann", "1", ann), face("bob", "1", bob)])
    assert found(staff, vector(3, near=ann)) == ["ann", "bob"]
    assert found(staff, vector(3, near=bob)) == ["bob", "ann"]


def test_an_empty_collection_finds_nobody(staff: Collection) -> None:
    assert found(staff, vector(1)) == []
    assert (staff.gallery().persons, staff.gallery().faces) == (0, 0)


def test_enrolling_again_changes_nothing(staff: Collection) -> None:
    faces = [face("ann", "1", vector(1)), face("ann", "2", vector(2))]
    assert staff.add(faces) == [True, True]
    assert staff.add(faces) == [False, False]
    assert (staff.gallery().persons, staff.gallery().faces) == (1, 2)
    assert len(staff.person_faces("ann")) == 2


def test_a_collection_made_twice_is_one(collections: Collections) -> None:
    first = collections.create("staff", CONTRACT, DIMENSION)
    again = collections.create("staff", "other@000000000000", 4)
    assert again.record == first.record
    assert collections.names() == ["staff"]


@pytest.mark.parametrize("person", HOSTILE)
def test_any_printable_name_is_kept_found_listed_and_deleted(
    staff: Collection, person: str
) -> None:
    staff.add([face(person, "1", vector(1)), face("somebody", "1", vector(2))])
    assert found(staff, vector(1), 1) == [person]
    assert sorted(staff.persons(None, 10)) == sorted([person, "somebody"])
    assert [each.person for each in staff.person_faces(person)] == [person]
    staff.delete_person(person)
    assert staff.persons(None, 10) == ["somebody"]
    assert found(staff, vector(1)) == ["somebody"]


@pytest.mark.parametrize("person", ["", "a\nb", "x" * 256, "\ud800", "a\x00", "\u202e\u200b"])
def test_other_names_of_persons_are_refused(person: str) -> None:
    with pytest.raises(ApiError, match="InvalidRequest"):
        names.check_person(person)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "ü", "x" * 256, "a b", "a\n"])
def test_other_names_of_collections_are_refused(collections: Collections, name: str) -> None:
    with pytest.raises(ApiError, match="InvalidRequest"):
        collections.create(name, CONTRACT, DIMENSION)


def test_a_decomposed_name_is_the_composed_one() -> None:
    assert names.check_person("Zoe\u0308") == "Zo\u00eb"


def test_a_person_whose_name_begins_anothers_is_not_the_other(staff: Collection) -> None:
    staff.add([face("ann", "1", vector(1)), face("ann.e", "1", vector(2))])
    staff.delete_person("ann")
    assert found(staff, vector(1)) == ["ann.e"]


def test_a_deleted_person_is_nowhere(staff: Collection, tmp_path: object) -> None:
    staff.add([face("ann", str(number), vector(number)) for number in range(7)])
    staff.add([face("bob", "1", vector(99))])
    removed = staff.delete_person("ann")
    assert (removed.persons, len(removed.faces)) == (1, 7)
    assert found(staff, vector(3)) == ["bob"]
    assert staff.persons(None, 10) == ["bob"]
    assert {names.face_of_key(key) for key in staff.index.stored_keys()} == {
        each.id for each in staff.person_faces("bob")
    }
    keys = list(staff.truth.keys(""))
    assert [key for key in keys if names.person_group("ann") in key] == []
    with pytest.raises(ApiError, match="PersonNotFound"):
        staff.delete_person("ann")
    with pytest.raises(ApiError, match="PersonNotFound"):
        staff.person_faces("ann")


def test_a_deleted_face_leaves_the_others(staff: Collection) -> None:
    first, second = face("ann", "1", vector(1)), face("ann", "2", vector(2))
    staff.add([first, second])
    removed = staff.delete_face(first.id)
    assert (removed.persons, removed.faces) == (0, (first.id,))
    assert [each.id for each in staff.person_faces("ann")] == [second.id]
    assert staff.delete_face(second.id).persons == 1
    assert staff.persons(None, 10) == []
    with pytest.raises(ApiError, match="no such face"):
        staff.delete_face(second.id)


def test_a_deleted_collection_is_nowhere(collections: Collections, staff: Collection) -> None:
    staff.add([face("ann", "1", vector(1)), face("bob", "1", vector(2))])
    other = collections.create("other", CONTRACT, DIMENSION)
    other.add([face("ann", "1", vector(1))])
    removed = collections.delete("staff")
    assert (removed.persons, len(removed.faces)) == (2, 2)
    assert staff.index.stored_keys() == set()
    assert [key for key in staff.truth.keys("") if "staff" in key] == []
    assert collections.names() == ["other"]
    assert found(other, vector(1)) == ["ann"]
    for call in (collections.open, collections.delete):
        with pytest.raises(ApiError, match="CollectionNotFound"):
            call("staff")


def test_a_collection_made_anew_is_empty(collections: Collections, staff: Collection) -> None:
    staff.add([face("ann", "1", vector(1))])
    collections.delete("staff")
    again = collections.create("staff", CONTRACT, DIMENSION)
    assert found(again, vector(1)) == []
    assert again.gallery().faces == 0


def test_persons_come_in_pages(staff: Collection) -> None:
    everybody = [f"person {number}" for number in range(25)]
    staff.add([face(person, "1", vector(row)) for row, person in enumerate(everybody)])
    pages: list[list[str]] = []
    after: str | None = None
    while page := staff.persons(after, 10):
        pages.append(page)
        after = page[-1]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert sorted(person for page in pages for person in page) == sorted(everybody)


def test_collections_come_in_pages(collections: Collections) -> None:
    for name in ("c", "a", "b-1", "b.1", "b"):
        collections.create(name, CONTRACT, DIMENSION)
    assert collections.names() == ["a", "b-1", "b.1", "b", "c"]  # as S3 orders folders
    assert collections.names(after="b.1", limit=1) == ["b"]


def test_a_person_with_a_thousand_faces_hides_nobody(staff: Collection) -> None:
    crowd = vector(1)
    staff.add([face("many", str(row), vector(row, crowd, 0.02)) for row in range(1000)])
    staff.add([face("few", "1", vector(2000, crowd, 0.5)), face("far", "1", -crowd)])
    assert found(staff, crowd, 3) == ["many", "few", "far"]
    assert len(staff.person_vectors("many")) == 1000
    assert len(staff.delete_person("many").faces) == 1000
    assert found(staff, crowd, 3) == ["few", "far"]


def test_a_full_collection_refuses_more(collections: Collections, staff: Collection) -> None:
    collections.most_faces = 2
    staff = collections.open_record(staff.record)
    staff.add([face("ann", "1", vector(1)), face("ann", "2", vector(2))])
    staff.index.__dict__.get("_counted", {}).clear()
    with pytest.raises(ApiError, match="CollectionFull") as refusal:
        staff.add([face("bob", "1", vector(3))])
    assert (refusal.value.status, refusal.value.details) == (409, {"faces": 2, "limit": 2})


def test_another_contract_is_refused_and_named(staff: Collection) -> None:
    staff.require_contract(CONTRACT)
    with pytest.raises(ApiError, match="ModelMismatch") as refusal:
        staff.require_contract("other@000000000000")
    assert refusal.value.status == 409
    assert refusal.value.details == {"contract": CONTRACT, "model": "other@000000000000"}


def test_what_another_process_did_is_seen(collections: Collections, staff: Collection) -> None:
    """Two functions over one truth; the engines share nothing else but S3 Vectors."""
    from dataclasses import replace

    other = replace(collections, _indexes={}).open("staff")
    staff.add([face("ann", "1", vector(1))])
    assert found(other, vector(1)) == ["ann"]
    other.add([face("bob", "1", vector(2))])
    assert found(staff, vector(2), 1) == ["bob"]
    staff.delete_person("ann")
    assert found(other, vector(1)) == ["bob"]


def test_faces_of_a_bucket_are_each_their_own(staff: Collection) -> None:
    photo = ObjectReference("photos", "party/1.jpg")
    ann, bob = vector(1), vector(2)
    box = (1.0, 2.0, 3.0, 4.0)
    faces = [
        BucketFace(photo, "etag", row, values, None, box).as_face(CONTRACT)
        for row, values in enumerate((ann, bob))
    ]
    assert staff.add(faces) == [True, True]
    assert (staff.gallery().persons, staff.gallery().faces) == (2, 2)
    assert staff.persons(None, 10) == []
    near = staff.index.nearest_groups(ann[None], 1)[0]
    (hit,) = staff.index.faces(near)[near[0]]
    assert (hit.id, hit.person, hit.box) == (faces[0].id, None, box)
    assert hit.source is not None
    assert hit.source.key == "party/1.jpg"
    assert staff.delete_face(faces[0].id).persons == 1
    assert staff.gallery().faces == 1


def test_vectors_come_back_as_they_were(staff: Collection) -> None:
    values = vector(1)
    staff.add([face("ann", "1", values)])
    (by_index,), (by_truth,) = staff.person_vectors("ann"), staff.person_faces("ann")
    np.testing.assert_array_equal(by_index.vector, values)
    np.testing.assert_array_equal(by_truth.vector, values)


def test_the_record_is_plain_json(staff: Collection) -> None:
    body = staff.truth.read(names.collection_key("staff"))
    assert body is not None
    assert msgspec.json.decode(body, type=CollectionRecord) == staff.record
