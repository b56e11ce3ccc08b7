"""EventBridge Pipes from a queue: the queue's records as a bare list, also where there is one.

Pipes reads partial failures as an event source mapping does: `batchItemFailures` with the ids of
the messages that have to come again; it deletes all others.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.sources import sqs


def matches(event: Sequence[Any]) -> bool:
    """A list of SQS records and nothing else."""
    return bool(event) and all(
        isinstance(record, Mapping) and record.get("eventSource") == sqs.SOURCE for record in event
    )


def handle(event: Sequence[Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Handles the messages, as `sqs.handle` does. Raises InvalidRequest for broken records."""
    return sqs.handle_records(event, invocation, service)
