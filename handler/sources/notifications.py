"""S3 object-created notifications, also wrapped by SNS topics and SQS queues."""

from collections.abc import Mapping
from typing import Any

import msgspec

from handler.errors import ApiError
from handler.sources import eventbridge, s3
from handler.storage.types import ObjectReference

SNS_SOURCE = "aws:sns"


def unwrap(payload: Any) -> list[ObjectReference] | None:
    """The objects that a payload names; None where it is no notification at all.

    Knows S3's records and test event, EventBridge's "Object Created", and either of them inside
    the envelope that SNS puts around a message for a queue.

    Raises InvalidRequest where a notification is of a known kind but broken.
    """
    if not isinstance(payload, Mapping):
        return None
    if s3.matches(payload):
        return s3.references(payload)
    if eventbridge.matches(payload):
        return eventbridge.references(payload)
    if is_sns_envelope(payload):
        return unwrap(parse(payload["Message"]))
    return None


def is_sns_envelope(payload: Mapping[str, Any]) -> bool:
    """What SNS writes into a queue, unless the subscription asks for raw delivery."""
    return payload.get("Type") == "Notification" and isinstance(payload.get("Message"), str)


def is_sns_record(record: Any) -> bool:
    """A record as SNS hands it to Lambda: `EventSource`, where all others say `eventSource`."""
    return isinstance(record, Mapping) and record.get("EventSource") == SNS_SOURCE


def parse(text: str) -> Any:
    """The JSON inside a message. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(text.removeprefix("\ufeff"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ApiError("InvalidRequest", "The message is not valid JSON.") from None
