"""Each kind of batch event goes to its own module; what is nothing goes to none."""

from typing import Any

import pytest

from handler.sources import (
    KINDS,
    SOURCES,
    eventbridge,
    recognise,
    s3,
    s3batch,
    sns,
    sqs,
    stepfunctions,
)

EVENTS = {
    "s3-notification": s3,
    "s3-test-event": s3,
    "s3-in-sqs": sqs,
    "sns-in-sqs": sqs,
    "sqs-request": sqs,
    "s3-in-sns": sns,
    "eventbridge-object-created": eventbridge,
    "s3-batch-1": s3batch,
    "s3-batch-2": s3batch,
    "stepfunctions-item": stepfunctions,
    "stepfunctions-batch": stepfunctions,
}


@pytest.mark.parametrize("name", EVENTS)
def test_event_is_recognised_by_its_own_module_only(load_event: Any, name: str) -> None:
    event = load_event(name)
    assert recognise(event) is EVENTS[name]
    assert [source for source in SOURCES if source.matches(event)] == [EVENTS[name]]


@pytest.mark.parametrize(
    "event", [{}, {"Records": []}, {"Records": [{}]}, {"bucket": "b"}, [], None]
)
def test_event_of_no_known_kind_is_not_recognised(event: Any) -> None:
    assert recognise(event) is None


def test_kinds_are_named_for_the_error() -> None:
    text = "; ".join(KINDS)
    for word in ("S3 notification", "SNS", "SQS", "EventBridge", "S3 Batch", "Step Functions"):
        assert word in text
