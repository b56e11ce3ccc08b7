"""S3 Vectors that throttles, stops half way and meets itself: nothing lost, nothing found twice."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from handler.errors import ApiError
from handler.search import names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from tests.aws.servers.s3vectors import Refused, Service
from tests.unit.handler.search.conftest import CONTRACT, DIMENSION, face, found, vector


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 repeats calls as often as ever, without the pauses between them."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def gallery(vectors_collections: Collections) -> Collection:
    return vectors_collections.create("staff", CONTRACT, DIMENSION)


def failing(times: int, refusal: Exception, operation: str) -> Callable[[str, Any], None]:
    """Fails the first `times` calls of an operation."""
    left = [times]

    def fail(name: str, body: Any) -> None:
        if name == operation and left[0]:
            left[0] -= 1
            raise refusal

    return fail


THROTTLED = Refused("TooManyRequestsException", 429)
BROKEN = Refused("InternalServerException", 500)


def test_throttling_is_waited_out(vectors: Service, gallery: Collection) -> None:
    vectors.before = failing(2, THROTTLED, "PutVectors")
    gallery.add([face("ann", "1", vector(1))])
    vectors.before = failing(2, THROTTLED, "QueryVectors")
    assert found(gallery, vector(1)) == ["ann"]


def test_throttling_without_end_is_a_retryable_error(vectors: Service, gallery: Collection) -> None:
    vectors.before = failing(99, THROTTLED, "PutVectors")
    with pytest.raises(ApiError, match="StorageUnavailable") as refusal:
        gallery.add([face("ann", "1", vector(1))])
    assert refusal.value.retryable


def test_a_crash_between_truth_and_index_is_completed_by_the_retry(
    vectors: Service, gallery: Collection
) -> None:
    faces = [face("ann", "1", vector(1))]
    vectors.before = failing(99, BROKEN, "PutVectors")
    with pytest.raises(ApiError):
        gallery.add(faces)
    vectors.before = lambda name, body: None
    assert found(gallery, vector(1)) == []
    assert gallery.add(faces) == [False]  # the truth had it
    assert found(gallery, vector(1)) == ["ann"]
    assert len(gallery.person_faces("ann")) == 1


def test_a_write_that_stopped_half_way_is_completed_by_the_retry(
    vectors: Service, gallery: Collection
) -> None:
    faces = [face(f"person {row}", "1", vector(row)) for row in range(10)]
    gallery.add([face("first", "1", vector(99))])  # so that there is an index
    whole = vectors.PutVectors

    def half(body: Any) -> Any:
        whole({**body, "vectors": body["vectors"][:5]})
        raise BROKEN

    vectors.PutVectors = half  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        gallery.add(faces)
    vectors.PutVectors = whole  # type: ignore[method-assign]
    gallery.add(faces)
    assert gallery.index.stored_keys() == {
        each.key for each in [*faces, face("first", "1", vector(99))]
    }
    assert all(found(gallery, vector(row), 1) == [f"person {row}"] for row in range(10))


def test_an_answer_that_was_lost_changes_nothing(vectors: Service, gallery: Collection) -> None:
    faces = [face("ann", "1", vector(1))]

    def hang_up(name: str, body: Any) -> None:
        if vectors.calls.count(name) == 1:
            raise ConnectionAbortedError

    vectors.after = hang_up
    gallery.add(faces)
    assert found(gallery, vector(1)) == ["ann"]
    assert gallery.gallery().faces == 1


def test_a_vector_that_the_truth_does_not_know_is_not_found(
    vectors: Service, gallery: Collection
) -> None:
    """As a crash in the middle of a deletion might leave it."""
    stray = face("ann", "1", vector(1))
    gallery.add([stray, face("bob", "1", vector(2))])
    gallery.truth.delete([gallery.record.prefix + stray.key])
    assert found(gallery, vector(1)) == ["bob"]
    with pytest.raises(ApiError, match="PersonNotFound"):
        gallery.person_vectors("ann")
    assert gallery.sweep() == 1
    assert gallery.index.stored_keys() == {face("bob", "1", vector(2)).key}


def test_a_deletion_that_failed_is_completed_by_the_retry(
    vectors: Service, gallery: Collection
) -> None:
    gallery.add([face("ann", str(row), vector(row)) for row in range(3)])
    vectors.before = failing(99, BROKEN, "DeleteVectors")
    with pytest.raises(ApiError):
        gallery.delete_person("ann")
    vectors.before = lambda name, body: None
    assert len(gallery.delete_person("ann").faces) == 3
    assert vectors.all_keys() == set()


@pytest.mark.parametrize("moment", ["PutVectors before", "PutVectors after"])
def test_a_deletion_in_the_middle_of_an_enrolment_leaves_nothing(
    vectors: Service, gallery: Collection, moment: str
) -> None:
    """The face is in the truth; it is deleted just before, or just after, the index gets it."""
    gallery.add([face("bob", "1", vector(2))])
    operation, when = moment.split()

    def delete(name: str, body: Any) -> None:
        if name == operation and list(gallery.truth.keys(ann)):
            gallery.delete_person("ann")

    ann = f"{gallery.record.prefix}{names.person_group('ann')}/"
    setattr(vectors, when, delete)
    gallery.add([face("ann", "1", vector(1))])
    assert found(gallery, vector(1)) == ["bob"]
    assert vectors.all_keys() == {face("bob", "1", vector(2)).key}
    assert list(gallery.truth.keys(ann)) == []


def test_an_enrolment_in_the_middle_of_a_deletion_is_whole_or_gone(
    vectors: Service, gallery: Collection
) -> None:
    """Truth and index agree afterwards, whichever came last."""
    first, second = face("ann", "1", vector(1)), face("ann", "2", vector(2))
    gallery.add([first])
    done: list[bool] = []

    def enrol(name: str, body: Any) -> None:
        if name == "DeleteVectors" and not done:
            done.append(True)
            gallery.add([first, second])

    vectors.before = enrol
    gallery.delete_person("ann")
    prefix = len(gallery.record.prefix)
    assert vectors.all_keys() == {key[prefix:] for key in gallery.truth.keys(gallery.record.prefix)}


def test_a_face_added_while_it_is_deleted_is_whole(vectors: Service, gallery: Collection) -> None:
    """The other writer comes between the deletion's last two steps."""
    again = face("ann", "1", vector(1))
    gallery.add([again, face("bob", "1", vector(2))])

    def enrol(name: str, body: Any) -> None:
        if name == "DeleteVectors" and gallery.read(again.key) is None:
            gallery.add([again])

    vectors.before = enrol
    gallery.delete_face(names.face_of_key(again.key))
    assert found(gallery, vector(1), 1) == ["ann"]
    assert again.key in vectors.all_keys()


def test_a_listing_that_misses_a_face_takes_it_from_no_person(
    vectors: Service, gallery: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(gallery), "_list_keys", lambda *_: [])
    gallery.add([face("ann", "1", vector(1))])
    assert found(gallery, vector(1), 1) == ["ann"]


def test_a_collection_deleted_in_the_middle_of_an_enrolment_takes_it_along(
    vectors: Service, vectors_collections: Collections, gallery: Collection
) -> None:
    done: list[bool] = []

    def delete(name: str, body: Any) -> None:
        if name == "PutVectors" and not done:
            done.append(True)
            vectors_collections.delete("staff")

    vectors.before = delete
    with pytest.raises(ApiError, match="CollectionNotFound"):
        gallery.add([face("ann", "1", vector(1))])
    assert vectors.all_keys() == set()
    assert vectors.buckets == {"vectors": {}}
    assert list(gallery.truth.keys("")) == []


def test_many_writers_and_deleters_end_in_agreement(vectors: Service, gallery: Collection) -> None:
    def work(seed: int) -> None:
        for row in range(8):
            person = f"person {(seed + row) % 3}"
            gallery.add([face(person, f"{seed} {row}", vector(seed * 100 + row))])
            if row % 3 == 2:
                gallery.delete_below(f"{names.person_group(person)}/")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    prefix = len(gallery.record.prefix)
    there = {key[prefix:] for key in gallery.truth.keys(gallery.record.prefix)}
    assert vectors.all_keys() == there


def test_a_lost_index_is_made_again_from_the_truth(vectors: Service, gallery: Collection) -> None:
    gallery.add([face(f"person {row}", "1", vector(row)) for row in range(30)])
    vectors.buckets["vectors"].clear()
    assert found(gallery, vector(3)) == []
    assert gallery.rebuild() == 30
    assert found(gallery, vector(3), 1) == ["person 3"]
    assert gallery.rebuild() == 30


def test_missing_permission_is_named_and_fixable(vectors: Service, gallery: Collection) -> None:
    gallery.add([face("ann", "1", vector(1))])
    vectors.denied = {"GetVectors"}
    with pytest.raises(ApiError, match="refused access") as refusal:
        found(gallery, vector(1))
    assert (refusal.value.fixable, refusal.value.retryable) == (True, False)


def test_writes_go_in_fives_of_hundreds(vectors: Service, gallery: Collection) -> None:
    gallery.add([face("many", str(row), vector(row)) for row in range(1001)])
    assert vectors.calls.count("PutVectors") == 1 + 3  # the first finds no index yet
    assert vectors.calls.count("CreateIndex") == 1
