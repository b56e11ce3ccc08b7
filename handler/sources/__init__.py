"""Event sources: one module per kind of event, with `matches(event)` and `handle(event, ...)`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from handler.faces.service import AnyService
from handler.http import source as http
from handler.invocation import Invocation
from handler.sources import direct, eventbridge, pipes, s3, s3batch, sns, sqs, stepfunctions


class EventSource(Protocol):
    """The interface of every module of this package."""

    def matches(self, event: Mapping[str, Any]) -> bool: ...

    def handle(
        self, event: Mapping[str, Any], invocation: Invocation, service: AnyService
    ) -> Any: ...


class ListSource(Protocol):
    """The same of a source whose events are lists."""

    def matches(self, event: Sequence[Any]) -> bool: ...

    def handle(self, event: Sequence[Any], invocation: Invocation, service: AnyService) -> Any: ...


# The first that matches handles the event; the most specific come first.
SOURCES: tuple[EventSource, ...] = (
    http,
    sqs,
    s3,
    sns,
    eventbridge,
    s3batch,
    direct,
    stepfunctions,
)

LIST_SOURCES: tuple[ListSource, ...] = (pipes,)

KINDS = (
    "HTTP API v2, REST API v1, function URL, ALB",
    "direct invocation ({operation, images})",
    "S3 notification, also inside SQS or SNS",
    "SNS inside SQS",
    "EventBridge Object Created, also inside SQS or SNS",
    "S3 Batch Operations 1.0 and 2.0",
    "Step Functions item ({bucket, key}) and ItemBatcher batch ({Items})",
    "SQS with direct requests",
    "EventBridge Pipes with any of these SQS messages",
)
# Fields of what AWS's services deliver, and what a request of ours never has. These services take
# an answer for success, so the event would be dropped, not retried or dead-lettered.
DELIVERED = frozenset(
    {
        "Records",  # SQS, SNS, S3, Kinesis, DynamoDB, SES
        "records",  # Kafka, Firehose
        "eventSource",  # Kafka, MQ
        "eventSourceArn",  # Kafka, MQ, DocumentDB
        "detail-type",  # EventBridge
        "messageId",  # a single SQS record
        "TopicArn",  # a single SNS message
        "awslogs",  # CloudWatch Logs
        "requestPayload",  # Lambda's destinations
    }
)


def recognise(event: Any) -> EventSource | ListSource | None:
    """The module for `event`, or None for an event of no known kind."""
    if isinstance(event, list):
        return next((source for source in LIST_SOURCES if source.matches(event)), None)
    if not isinstance(event, Mapping):
        return None
    return next((source for source in SOURCES if source.matches(event)), None)


def is_delivered(event: Any) -> bool:
    """Whether `event` comes from a service that takes any answer for success."""
    return isinstance(event, list) or (
        isinstance(event, Mapping) and bool(DELIVERED & event.keys())
    )
