"""S3 Batch Operations: each task has one of three results, and jobs report them."""

from typing import Any

import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import s3batch
from handler.storage.faults import TransientFailure
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import BUCKET, NO_FACE, FakeStore
from tests.unit.handler.service_fakes import FakeContext


def codes(answer: dict[str, Any]) -> list[str]:
    return [result["resultCode"] for result in answer["results"]]


def invocation(*keys: str) -> dict[str, Any]:
    tasks = [{"taskId": f"t{n}", "s3Key": key, "s3Bucket": BUCKET} for n, key in enumerate(keys)]
    return {"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {}, "tasks": tasks}


@pytest.mark.parametrize(("name", "version"), [("s3-batch-1", "1.0"), ("s3-batch-2", "2.0")])
def test_answer_repeats_what_the_invocation_said(
    load_event: Any, store: FakeStore, name: str, version: str
) -> None:
    event = load_event(name)
    assert s3batch.matches(event)
    answer = s3batch.handle(event, Invocation(), None)
    assert answer["invocationSchemaVersion"] == version
    assert answer["invocationId"] == event["invocationId"]
    assert answer["treatMissingKeysAs"] == "TemporaryFailure"
    assert [result["taskId"] for result in answer["results"]] == [
        task["taskId"] for task in event["tasks"]
    ]
    assert set(codes(answer)) == {"Succeeded"}


def test_both_forms_of_the_arn_name_the_bucket(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    s3batch.handle(load_event("s3-batch-1"), Invocation(), None)
    assert sorted(store.results) == sorted([result_keys.named, result_keys.plain])


def test_version_may_be_null(load_event: Any, store: FakeStore, result_keys: Any) -> None:
    s3batch.handle(load_event("s3-batch-2"), Invocation(), None)
    assert list(store.results) == [result_keys.named_by_etag]


def test_success_says_where_the_result_is(store: FakeStore, result_keys: Any) -> None:
    result = s3batch.handle(invocation("plain.jpg"), Invocation(), None)["results"][0]
    assert result["resultString"] == f"s3://example-faces/{result_keys.plain}"


def test_each_task_has_its_own_result(store: FakeStore) -> None:
    store.add("empty.jpg", NO_FACE)
    store.add("slow.jpg", b"slow")
    store.faults["slow.jpg"] = [TransientFailure("SlowDown", "503")]
    answer = s3batch.handle(
        invocation("plain.jpg", "empty.jpg", "slow.jpg", "gone.jpg"), Invocation(), None
    )
    assert codes(answer) == [
        "Succeeded",
        "PermanentFailure",
        "TemporaryFailure",
        "PermanentFailure",
    ]
    assert answer["results"][1]["resultString"].startswith("FaceNotFound: ")


def test_out_of_time_is_a_temporary_failure(load_event: Any) -> None:
    answer = s3batch.handle(load_event("s3-batch-1"), Invocation(FakeContext(remaining_ms=0)), None)
    assert codes(answer) == ["TemporaryFailure"] * 2


def test_result_string_fits_the_report(store: FakeStore) -> None:
    outcome = s3batch.Outcome(
        ObjectReference(BUCKET, "k"), s3batch.Status.WRITTEN, "s3://" + "x" * 2000
    )
    assert len(s3batch.result("t", outcome)["resultString"]) == 1024


def test_broken_invocation_is_refused_by_name() -> None:
    with pytest.raises(ApiError, match="taskId"):
        s3batch.handle({**invocation(), "tasks": [{"s3Key": "k"}]}, None, None)
