"""Ten thousand persons: found, paged, counted from a sample; and how well the sample counts."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from handler.search import gallery, names
from handler.search.catalog import Collections
from handler.search.index_memory import MemoryIndex
from handler.search.types import BucketFace, Face
from handler.storage.types import ObjectReference
from tests.unit.handler.search.conftest import CONTRACT, DIMENSION, face, found, vector


@dataclass
class SortedTruth:
    """Keys in memory, in S3's order; counts what listings give out."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    given: int = 0

    def read(self, key: str) -> bytes | None:
        return self.bodies.get(key)

    def write_new(self, key: str, body: bytes) -> bool:
        return self.bodies.setdefault(key, body) is body

    def replace(self, key: str, body: bytes) -> None:
        self.bodies[key] = body

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        every = sorted(self.bodies)
        for key in every[bisect_right(every, after) :]:
            if key.startswith(prefix):
                self.given += 1
                yield key

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        last = ""
        for key in sorted(self.bodies):
            folder, slash, _ = key[len(prefix) :].partition("/")
            if not key.startswith(prefix) or not slash or folder == last:
                continue
            last = folder
            if f"{folder}/" > f"{after}/":
                self.given += 1
                yield folder

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.bodies.pop(key, None)

    def stamp(self) -> int | None:
        return None


def filled(truth: SortedTruth, persons: int, faces_each: int = 1) -> Collections:
    made = Collections(truth, MemoryIndex)
    staff = made.create("staff", CONTRACT, DIMENSION)
    for row in range(persons):
        for number in range(faces_each):
            one: Face = face(f"person {row}", str(number), vector(row * faces_each + number))
            truth.write_new(staff.record.prefix + one.key, one.document(CONTRACT))
    return made


def test_ten_thousand_persons_are_found_and_paged() -> None:
    staff = filled(SortedTruth(), 10_000).open("staff")
    assert staff.gallery().persons == 10_000
    assert [found(staff, vector(row), 1) for row in (0, 4_999, 9_999)] == [
        ["person 0"],
        ["person 4999"],
        ["person 9999"],
    ]
    listed: list[str] = []
    while page := staff.persons(listed[-1] if listed else None, 2500):
        listed += page
    assert len(set(listed)) == len(listed) == 10_000


@pytest.mark.parametrize("persons", [3_000, 10_000])
def test_a_sample_counts_to_a_few_per_cent(persons: int) -> None:
    truth = SortedTruth()
    staff = filled(truth, persons, faces_each=2).open("staff")
    truth.given = 0
    counted = gallery.count(truth, staff.record.prefix)
    assert counted.estimated
    assert counted.persons == pytest.approx(persons, rel=0.1)
    assert counted.faces == pytest.approx(2 * persons, rel=0.15)
    assert truth.given <= gallery.PAGE + gallery.SAMPLE + 2


def test_faces_of_photographs_are_counted_from_a_sample_too() -> None:
    truth = SortedTruth()
    staff = filled(truth, 5).open("staff")
    for row in range(6000):
        photo = ObjectReference("photos", f"{row}.jpg")
        one = BucketFace(photo, "etag", 0, vector(row), None, (0, 0, 1, 1)).as_face(CONTRACT)
        truth.write_new(staff.record.prefix + one.key, b"{}")
    counted = gallery.count(truth, staff.record.prefix)
    assert counted.persons == pytest.approx(6005, rel=0.1)
    assert counted.as_dict()["estimated"] is True


def test_a_small_gallery_is_counted_exactly() -> None:
    staff = filled(SortedTruth(), 999, faces_each=2).open("staff")
    counted = gallery.count(staff.truth, staff.record.prefix)
    assert counted.as_dict() == {"persons": 999, "faces": 1998}


def test_groups_of_one_digest_are_distinguished() -> None:
    """A person's name is in the key, beside its digest: two of one digest are still two."""
    ann, zoe = names.person_group("ann"), names.person_group("zoë")
    assert names.person_of_group(ann) == "ann"
    assert names.person_of_group(zoe) == "zoë"
    assert names.group_digest(ann) != names.group_digest(zoe)
