"""SNS straight to the function: EventSource with a capital, the event as text."""

import json
from typing import Any

import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import s3, sns, sqs
from handler.storage.faults import TransientFailure
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import FakeStore


def with_message(load_event: Any, message: str) -> dict[str, Any]:
    event: dict[str, Any] = load_event("s3-in-sns")
    event["Records"][0]["Sns"]["Message"] = message
    return event


def test_only_this_source_takes_it(load_event: Any) -> None:
    event = load_event("s3-in-sns")
    assert sns.matches(event)
    assert not s3.matches(event)
    assert not sqs.matches(event)


def test_result_is_written(load_event: Any, store: FakeStore, result_keys: Any) -> None:
    answer = sns.handle(load_event("s3-in-sns"), Invocation(), None)
    assert list(store.results) == [result_keys.named]
    assert len(answer["results"]) == 1


def test_eventbridge_event_in_a_topic_is_understood(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    message = json.dumps(load_event("eventbridge-object-created"))
    sns.handle(with_message(load_event, message), Invocation(), None)
    assert list(store.results) == [result_keys.named]


def test_test_event_in_a_topic_is_dropped(load_event: Any) -> None:
    event = with_message(load_event, json.dumps(load_event("s3-test-event")))
    assert sns.handle(event, Invocation(), None) == {"results": []}


@pytest.mark.parametrize("message", ["hello", "{}", "[]", "null"])
def test_message_about_nothing_is_refused(load_event: Any, message: str) -> None:
    with pytest.raises(ApiError, match="InvalidRequest"):
        sns.handle(with_message(load_event, message), Invocation(), None)


def test_passing_failure_is_raised_so_that_lambda_retries(
    load_event: Any, store: FakeStore, named: ObjectReference
) -> None:
    store.faults[named.key] = [TransientFailure("SlowDown", "503")]
    with pytest.raises(TransientFailure):
        sns.handle(load_event("s3-in-sns"), Invocation(), None)
