"""Event sources: one module per kind of event, with `matches(event)` and `handle(event, ...)`."""

from collections.abc import Mapping
from typing import Any, Protocol

from handler.faces.service import AnyService
from handler.http import source as http
from handler.invocation import Invocation
from handler.sources import direct, eventbridge, s3, s3batch, sns, sqs, stepfunctions


class EventSource(Protocol):
    """What every module of this package offers."""

    def matches(self, event: Mapping[str, Any]) -> bool: ...

    def handle(
        self, event: Mapping[str, Any], invocation: Invocation, service: AnyService
    ) -> Any: ...


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

KINDS = (
    "HTTP API v2, REST API v1, function URL, ALB",
    "direct invocation ({operation, images})",
    "S3 notification, also inside SQS or SNS",
    "SNS inside SQS",
    "EventBridge Object Created, also inside SQS or SNS",
    "S3 Batch Operations 1.0 and 2.0",
    "Step Functions item ({bucket, key}) and ItemBatcher batch ({Items})",
    "SQS with direct requests",
)


def recognise(event: Any) -> EventSource | None:
    """The module for `event`, or None for an event of no known kind."""
    if not isinstance(event, Mapping):
        return None
    return next((source for source in SOURCES if source.matches(event)), None)
