"""EventBridge Pipes hands over a queue's records as a bare list and deletes what is not named."""

import json
from typing import Any

import pytest

from handler import app
from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import pipes
from handler.storage.faults import TransientFailure
from tests.unit.handler.batch.fakes import FakeStore
from tests.unit.handler.service_fakes import FakeContext, make_service
from tests.unit.handler.sources.test_sqs import created, failures, message


def test_the_objects_of_a_pipes_records_are_embedded(
    load_event: Any, store: FakeStore, result_keys: Any, service: Any
) -> None:
    event = load_event("eventbridge-pipe")
    assert pipes.handle(event, Invocation(), service) == {"batchItemFailures": []}
    assert sorted(store.results) == sorted([result_keys.named, result_keys.plain])


@pytest.mark.parametrize("wrapping", ["sns-in-sqs", "s3-in-sqs"])
def test_records_hold_whatever_a_queues_do(
    wrapping: str, load_event: Any, store: FakeStore, result_keys: Any, service: Any
) -> None:
    pipes.handle(load_event(wrapping)["Records"], Invocation(), service)
    assert result_keys.named in store.results


def test_a_single_record_comes_as_a_list_too(
    store: FakeStore, result_keys: Any, service: Any
) -> None:
    event = [message("m", created("plain.jpg"))]
    assert failures(pipes.handle(event, Invocation(), service)) == []
    assert list(store.results) == [result_keys.plain]


def test_only_messages_that_failed_or_are_unknown_come_again(
    store: FakeStore, service: Any
) -> None:
    store.add("a.jpg", b"a")
    store.faults["plain.jpg"] = [TransientFailure("SlowDown", "503")]
    event = [
        message("good", created("a.jpg")),
        message("later", created("plain.jpg")),
        message("unknown", {"hello": 1}),
    ]
    assert failures(pipes.handle(event, Invocation(), service)) == ["later", "unknown"]
    assert len(store.results) == 1


@pytest.mark.parametrize(
    "event",
    [
        [{"eventSource": "aws:sqs"}],
        [{"eventSource": "aws:sqs", "messageId": "m1", "body": {"parsed": "already"}}],
        [{"eventSource": "aws:kinesis", "eventID": "shardId-0:1", "data": "YQ=="}],
        [{"images": ["YQ=="]}],
        [json.dumps({"images": ["YQ=="]})],
        [],
    ],
)
def test_a_list_that_cannot_be_worked_on_is_raised(event: Any) -> None:
    """Pipes deletes what was answered; what was raised it sends again."""
    with pytest.raises(ApiError, match="InvalidRequest"):
        app.dispatch(event, FakeContext(), make_service())
