"""Each kind of batch event goes to its own module; what is nothing goes to none."""

from typing import Any

import pytest

from handler.sources import (
    KINDS,
    SOURCES,
    eventbridge,
    is_delivered,
    pipes,
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
    "event",
    [
        {},
        {"Records": []},
        {"Records": [{}]},
        {"bucket": "b"},
        None,
        [],
        [{}],
        ["images"],
        [{"images": []}],
        [{"eventSource": "aws:kinesis"}],
        [{"eventSource": "aws:sqs"}, {"eventSource": "aws:kinesis"}],
    ],
)
def test_event_of_no_known_kind_is_not_recognised(event: Any) -> None:
    assert recognise(event) is None


def test_a_pipes_list_is_recognised(load_event: Any) -> None:
    assert recognise(load_event("eventbridge-pipe")) is pipes


@pytest.mark.parametrize(
    "event",
    [
        [],
        [{"eventSource": "aws:kinesis", "data": "YQ=="}],
        {"Records": [{"eventSource": "aws:kinesis"}]},
        {"eventSource": "aws:kafka", "records": {}},
        {"eventSource": "aws:mq", "messages": []},
        {"eventSourceArn": "arn:aws:rds:::cluster", "events": []},
        {"source": "aws.ec2", "detail-type": "EC2 Instance State-change", "detail": {}},
        {"messageId": "m1", "body": "{}"},
        {"Type": "Notification", "TopicArn": "arn", "Message": "{}"},
        {"awslogs": {"data": ""}},
        {"version": "1.0", "requestContext": {}, "requestPayload": {}},
    ],
)
def test_what_a_service_delivers_and_nobody_knows_is_distinguished_from_a_request(
    event: Any,
) -> None:
    assert recognise(event) is None
    assert is_delivered(event)


@pytest.mark.parametrize("event", [{}, {"hello": 1}, "text", 7, None, {"detail": {}}])
def test_what_may_be_a_callers_mistake_is_not_delivered(event: Any) -> None:
    assert not is_delivered(event)


def test_kinds_are_named_for_the_error() -> None:
    text = "; ".join(KINDS)
    for word in (
        "S3 notification",
        "SNS",
        "SQS",
        "EventBridge",
        "S3 Batch",
        "Step Functions",
        "Pipes",
    ):
        assert word in text
