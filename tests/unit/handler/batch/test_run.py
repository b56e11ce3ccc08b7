"""Whatever happens to a batch, each object ends once, and as what it is."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from handler.batch.deadline import Deadline
from handler.batch.run import Batch, BatchLimits, raise_if_failed
from handler.batch.types import Answer, Status
from handler.errors import ApiError
from handler.storage.faults import ObjectArchived, TransientFailure
from handler.storage.types import ObjectReference, StoredObject
from tests.unit.handler.batch.fakes import (
    NO_FACE,
    POISON,
    FakeStore,
    batch,
    embed_pictures,
    embedding_of,
    result_key,
)

SLOW_DOWN = TransientFailure("SlowDown", "S3 answered 503")


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def test_every_object_gets_the_result_of_its_own_bytes(store: FakeStore) -> None:
    pictures = {f"{number}.jpg": f"picture {number}".encode() for number in range(30)}
    references = [store.add(key, data) for key, data in pictures.items()]
    outcomes = batch(store).run(references)
    assert [outcome.status for outcome in outcomes] == [Status.WRITTEN] * 30
    for reference in references:
        data = pictures[reference.key]
        assert result_key(reference, data) in store.results
        embedding = store.decoded()[reference.key]["faces"][0]["embedding"]
        np.testing.assert_array_equal(embedding, embedding_of(data))


def test_outcomes_keep_the_order_of_the_references_and_name_the_result(store: FakeStore) -> None:
    references = [store.add(f"{number}.jpg", b"%d" % number) for number in range(12)]
    outcomes = batch(store).run(references)
    assert [outcome.reference for outcome in outcomes] == references
    assert outcomes[3].output == f"s3://example-faces/{result_key(references[3], b'3')}"


def test_object_named_twice_in_one_event_is_read_once(store: FakeStore) -> None:
    reference = store.add("a.jpg", b"a")
    outcomes = batch(store).run([reference, reference])
    assert [outcome.status for outcome in outcomes] == [Status.WRITTEN] * 2
    assert store.reads == ["a.jpg"]


def test_second_delivery_changes_nothing(store: FakeStore) -> None:
    reference = store.add("a.jpg", b"a")
    batch(store).run([reference])
    first = dict(store.results)
    assert batch(store).run([reference])[0].status is Status.WRITTEN
    assert store.results == first


def test_one_poison_picture_among_ten_fails_alone(store: FakeStore) -> None:
    references = [store.add(f"{n}.jpg", POISON if n == 4 else b"picture %d" % n) for n in range(10)]
    outcomes = batch(store).run(references)
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert [outcome.reference.key for outcome in failed] == ["4.jpg"]
    assert sorted(store.decoded()) == [f"{n}.jpg" for n in range(10) if n != 4]


def test_picture_without_a_face_is_written_down_with_its_error(store: FakeStore) -> None:
    reference = store.add("empty.jpg", NO_FACE)
    outcome = batch(store).run([reference])[0]
    document = store.decoded()["empty.jpg"]
    assert (outcome.status, outcome.code) == (Status.REJECTED, "FaceNotFound")
    assert document["faces"] == []
    assert document["error"]["code"] == "FaceNotFound"
    assert document["error"]["retryable"] is False


@pytest.mark.parametrize("code", ["Timeout", "InternalError", "ModelUnavailable"])
def test_failure_that_is_not_the_pictures_is_never_written(store: FakeStore, code: str) -> None:
    def fail(pictures: Sequence[bytes]) -> list[Answer]:
        return [ApiError(code, "not now") for _ in pictures]

    outcome = batch(store, fail).run([store.add("a.jpg", b"a")])[0]
    assert (outcome.status, outcome.code) == (Status.FAILED, code)
    assert store.results == {}


def test_failed_read_is_retried_and_the_others_are_written(store: FakeStore) -> None:
    references = [store.add("a.jpg", b"a"), store.add("b.jpg", b"b")]
    store.faults["a.jpg"] = [SLOW_DOWN]
    outcomes = batch(store).run(references)
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.WRITTEN]
    assert outcomes[0].code == "SlowDown"
    assert batch(store).run(references[:1])[0].status is Status.WRITTEN


def test_failed_write_is_retried(store: FakeStore) -> None:
    reference = store.add("a.jpg", b"a")
    store.faults[result_key(reference, b"a")] = [SLOW_DOWN]
    assert batch(store).run([reference])[0].status is Status.FAILED
    assert batch(store).run([reference])[0].status is Status.WRITTEN
    assert len(store.results) == 1


def test_name_that_no_object_can_have_is_skipped_and_the_others_are_written(
    store: FakeStore,
) -> None:
    fine = store.add("a.jpg", b"a")
    impossible = ObjectReference(fine.bucket, "\ud800.jpg")
    outcomes = batch(store).run([impossible, fine])
    assert [outcome.status for outcome in outcomes] == [Status.SKIPPED, Status.WRITTEN]
    assert outcomes[0].code == "ObjectNotFound"
    assert store.reads == ["a.jpg"]


@pytest.mark.parametrize("place", ["read", "write"])
def test_unforeseen_exception_fails_its_object_only(store: FakeStore, place: str) -> None:
    broken, fine = store.add("a.jpg", b"a"), store.add("b.jpg", b"b")
    key = "a.jpg" if place == "read" else result_key(broken, b"a")
    store.faults[key] = [ValueError("secret key")]
    outcomes = batch(store).run([broken, fine])
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.WRITTEN]
    assert "secret" not in str(outcomes[0].as_dict())


def test_deleted_object_is_skipped_and_nothing_is_written_for_it(store: FakeStore) -> None:
    outcome = batch(store).run([ObjectReference("example-photos", "gone.jpg")])[0]
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "ObjectNotFound")
    assert store.results == {}


def test_result_of_ours_is_not_mistaken_for_a_picture(store: FakeStore) -> None:
    outcome = batch(store).run([ObjectReference("example-faces", "out/x/y.json")])[0]
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "OutputObject")
    assert store.reads == []


def test_bucket_that_is_not_allowed_is_not_read(store: FakeStore) -> None:
    outcome = batch(store).run([store.add("a.jpg", b"a", bucket="private")])[0]
    assert (outcome.status, outcome.code) == (Status.FAILED, "BucketNotAllowed")
    assert store.reads == []


def test_too_large_object_is_rejected_without_its_bytes(store: FakeStore) -> None:
    def refuse(pictures: Sequence[bytes]) -> list[Answer]:
        raise AssertionError("must not be embedded")

    outcome = batch(store, refuse).run([store.add("big.jpg", b"x" * 1001)])[0]
    assert (outcome.status, outcome.code) == (Status.REJECTED, "PayloadTooLarge")
    assert store.decoded()["big.jpg"]["object"]["size"] == 1001


def test_object_replaced_since_the_event_is_named_for_what_was_read(store: FakeStore) -> None:
    told = store.add("a.jpg", b"old")
    replaced = store.add("a.jpg", b"new")
    outcomes = batch(store).run([told, replaced])
    assert {outcome.status for outcome in outcomes} == {Status.WRITTEN}
    assert list(store.results) == [result_key(replaced, b"new")]
    assert len(store.reads) == 1


def test_versions_of_a_key_have_a_result_each(store: FakeStore) -> None:
    store.add("a.jpg", b"a")
    references = [ObjectReference("example-photos", "a.jpg", version) for version in ("v1", "v2")]
    batch(store).run(references)
    assert sorted(store.results) == [result_key(reference, b"a") for reference in references]


def test_without_time_nothing_is_lost_and_nothing_is_embedded(store: FakeStore) -> None:
    references = [store.add(f"{n}.jpg", b"%d" % n) for n in range(20)]
    outcomes = batch(store, deadline=Deadline(remaining=lambda: 0.0)).run(references)
    assert {(outcome.status, outcome.code) for outcome in outcomes} == {(Status.FAILED, "Timeout")}
    assert store.results == {}


def test_next_pictures_are_read_while_one_group_is_embedded(store: FakeStore) -> None:
    embedding, read = threading.Event(), threading.Event()
    seen = []

    class Watched(FakeStore):
        def fetch(self, reference: ObjectReference) -> StoredObject:
            picture = super().fetch(reference)
            if reference != references[0]:
                seen.append(embedding.wait(timeout=10))
                read.set()
            return picture

    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        embedding.set()
        seen.append(read.wait(timeout=10))
        return embed_pictures(pictures)

    watched = Watched()
    references = [watched.add(f"{n}.jpg", b"%d" % n) for n in range(4)]
    batch(watched, embed, threads=2, read_ahead=2, group=1).run(references)
    assert all(seen)


def test_pictures_that_are_ready_share_a_group_up_to_the_limit(store: FakeStore) -> None:
    sizes: list[int] = []
    all_read = threading.Event()

    class Watched(FakeStore):
        def fetch(self, reference: ObjectReference) -> StoredObject:
            picture = super().fetch(reference)
            if len(self.reads) == BatchLimits.read_ahead:
                all_read.set()
            return picture

    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        assert all_read.wait(timeout=10)
        sizes.append(len(pictures))
        return embed_pictures(pictures)

    watched = Watched()
    references = [watched.add(f"{n}.jpg", b"%d" % n) for n in range(9)]
    batch(watched, embed, group=4).run(references)
    assert sum(sizes) == 9
    assert max(sizes) == 4


def test_memory_is_bounded_by_group_and_read_ahead(store: FakeStore) -> None:
    embedded: list[bytes] = []
    most = 0

    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        nonlocal most
        most = max(most, len(store.reads) - len(embedded))
        embedded.extend(pictures)
        return embed_pictures(pictures)

    references = [store.add(f"{n}.jpg", b"%d" % n) for n in range(60)]
    batch(store, embed, group=3, read_ahead=5).run(references)
    assert len(embedded) == 60
    assert most <= 3 + 5


def test_no_references_is_no_work(store: FakeStore) -> None:
    assert batch(store).run([]) == []


def test_failures_are_raised_with_their_number_and_first_reason(store: FakeStore) -> None:
    references = [store.add(f"{n}.jpg", b"%d" % n) for n in range(3)]
    store.faults = {"0.jpg": [SLOW_DOWN], "2.jpg": [SLOW_DOWN]}
    with pytest.raises(TransientFailure, match="SlowDown: 2 of 3 objects"):
        raise_if_failed(batch(store).run(references))


def test_log_holds_counts_and_no_key(store: FakeStore, capsys: pytest.CaptureFixture[str]) -> None:
    batch(store).run([store.add("private-name.jpg", b"a"), store.add("n.jpg", NO_FACE)])
    line = capsys.readouterr().out
    assert '"objects":2' in line
    assert '"results":2' in line
    assert '"request_id":"an invocation"' in line
    assert "private-name" not in line


def test_the_log_of_a_bug_holds_its_kind_and_the_invocation(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        raise ZeroDivisionError("private-name.jpg")

    batch(store, embed).run([store.add("private-name.jpg", b"a")])
    line = next(line for line in capsys.readouterr().out.splitlines() if "batch failure" in line)
    assert '"request_id":"an invocation"' in line
    assert '"error_type":"ZeroDivisionError"' in line
    assert "private-name" not in line


def test_what_is_embedded_is_written_although_no_new_work_may_begin(store: FakeStore) -> None:
    now = 0.0

    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        nonlocal now
        now = 11.0  # it took longer than there was time
        return embed_pictures(pictures)

    class Slow(FakeStore):
        def put_new(self, key: str, body: bytes) -> bool:
            time.sleep(0.2)
            return super().put_new(key, body)

    slow = Slow()
    deadline = Deadline(remaining=lambda: 40 / 3 - now, reserve=10 / 3)
    (outcome,) = batch(slow, embed, deadline=deadline).run([slow.add("a.jpg", b"a")])
    assert outcome.status is Status.WRITTEN


def test_near_the_deadline_a_group_has_only_what_ends_in_time(store: FakeStore) -> None:
    now = 0.0
    sizes: list[int] = []

    def embed(pictures: Sequence[bytes]) -> list[Answer]:
        nonlocal now
        now += 4.0 * len(pictures)
        sizes.append(len(pictures))
        time.sleep(0.1)  # the others are read meanwhile
        return embed_pictures(pictures)

    references = [store.add(f"{n}.jpg", b"%d" % n) for n in range(9)]
    deadline = Deadline(remaining=lambda: 15.0 - now)
    outcomes = batch(store, embed, deadline=deadline, group=2).run(references)
    assert now <= 15.0
    assert sum(sizes) == 3
    assert [outcome.status for outcome in outcomes].count(Status.WRITTEN) == 3


def test_archived_object_is_skipped(store: FakeStore) -> None:
    reference = store.add("a.jpg", b"a")
    store.faults["a.jpg"] = [ObjectArchived()]
    (outcome,) = batch(store).run([reference])
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "ObjectArchived")


def test_pictures_that_wait_to_be_written_hold_no_bytes(store: FakeStore) -> None:
    held: list[int] = []

    class Watched(Batch):
        def write(self, reference: ObjectReference, picture: StoredObject, answer: Answer) -> Any:
            held.append(len(picture.data))
            return super().write(reference, picture, answer)

    made = batch(store)
    watched = Watched(**{name: getattr(made, name) for name in made.__dataclass_fields__})
    watched.run([store.add("a.jpg", b"a picture")])
    assert held == [0]


def test_failures_are_counted_by_code(capsys: pytest.CaptureFixture[str]) -> None:
    """What a batch gives back to its queue rings as an error of a request does."""
    store = FakeStore()
    without_face = store.add("none.jpg", NO_FACE)
    counting = replace(batch(store), namespace="faces")
    counting.run([without_face, ObjectReference("elsewhere", "a.jpg")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = {line["code"]: line["errors"] for line in lines if line["message"] == "errors"}
    assert counted == {"FaceNotFound": 1, "BucketNotAllowed": 1}
    assert all("_aws" in line for line in lines if line["message"] == "errors")
