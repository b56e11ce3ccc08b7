"""Step Functions: an item or a batch of items, raised by name where a retry helps."""

from typing import Any

import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import stepfunctions
from handler.storage.faults import TransientFailure
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import BUCKET, NO_FACE, FakeStore


def test_item_is_answered_by_its_outcome(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    event = load_event("stepfunctions-item")
    assert stepfunctions.matches(event)
    answer = stepfunctions.handle(event, Invocation(), None)
    assert answer["status"] == "written"
    assert answer["output"] == f"s3://example-faces/{result_keys.named}"


def test_batch_of_listing_rows_is_answered_row_by_row(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    event = load_event("stepfunctions-batch")
    assert stepfunctions.matches(event)
    answer = stepfunctions.handle(event, Invocation(), None)
    assert [result["status"] for result in answer["results"]] == ["written", "written"]
    assert sorted(store.results) == sorted([result_keys.plain, result_keys.named_by_etag])


def test_item_may_have_the_bucket_of_its_own() -> None:
    items = [{"bucket": "a", "key": "1"}, {"key": "2"}]
    event = {"Items": items, "BatchInput": {"bucket": "b"}}
    buckets = [reference.bucket for reference in stepfunctions.references(event)]
    assert buckets == ["a", "b"]


def test_inventory_row_is_decoded_only_when_told() -> None:
    row = {"Bucket": BUCKET, "Key": "a+b%2Bc", "VersionId": "", "ETag": "e"}
    encoded = {"Items": [row], "BatchInput": {"key_encoding": "url"}}
    assert stepfunctions.references(encoded) == [ObjectReference(BUCKET, "a b+c")]
    assert stepfunctions.references({"Items": [row]})[0].key == "a+b%2Bc"


def test_permanent_failure_is_an_answer_and_no_exception(store: FakeStore) -> None:
    store.add("empty.jpg", NO_FACE)
    answer = stepfunctions.handle({"bucket": BUCKET, "key": "empty.jpg"}, Invocation(), None)
    assert (answer["status"], answer["code"]) == ("rejected", "FaceNotFound")


def test_passing_failure_is_raised_after_the_others_are_written(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    store.faults["plain.jpg"] = [TransientFailure("SlowDown", "503")]
    event = load_event("stepfunctions-batch")
    with pytest.raises(TransientFailure, match="1 of 2"):
        stepfunctions.handle(event, Invocation(), None)
    assert list(store.results) == [result_keys.named_by_etag]
    stepfunctions.handle(event, Invocation(), None)
    assert len(store.results) == 2


@pytest.mark.parametrize(
    "event",
    [
        {"Items": ["key"]},
        {"Items": [{"Key": "k"}]},
        {"Items": [{"Key": "", "Bucket": "b"}]},
        {"Items": [{"Key": 1, "Bucket": "b"}], "BatchInput": {}},
        {"Items": [{"Key": "k"}], "BatchInput": "b"},
    ],
)
def test_item_that_names_no_object_is_refused_by_its_place(event: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match=r"Items\[0\]"):
        stepfunctions.references(event)


def test_item_with_something_else_for_a_list_of_items_is_refused() -> None:
    with pytest.raises(ApiError, match="InvalidRequest: Items"):
        stepfunctions.handle({"bucket": "b", "key": "k", "Items": 5}, Invocation(), None)


def test_empty_batch_is_no_work() -> None:
    assert stepfunctions.handle({"Items": []}, Invocation(), None) == {"results": []}


@pytest.mark.parametrize(
    "event", [{"Key": "k", "Etag": "e", "Size": 1}, {"Items": {"Key": "k"}}, {"Items": "x"}]
)
def test_work_that_is_not_whole_fails_its_task(event: dict[str, Any]) -> None:
    """An answer would pass for success, and a map of such items for a bucket embedded."""
    assert stepfunctions.matches(event)
    with pytest.raises(ApiError):
        stepfunctions.handle(event, Invocation(), None)


@pytest.mark.parametrize("event", [{"bucket": "b"}, {"images": []}, {}])
def test_other_events_do_not_match(event: dict[str, Any]) -> None:
    assert not stepfunctions.matches(event)
