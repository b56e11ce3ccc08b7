"""SNS: S3 object-created notifications from a topic."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec import field as named

from handler.batch import service as batch_service
from handler.batch.run import summary
from handler.decoding import convert
from handler.errors import ApiError
from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.sources.notifications import is_sns_record, parse, unwrap

__all__ = ["handle", "matches"]


class Notification(Struct):
    """`Sns` of a record."""

    message: str = named(name="Message")


class Record(Struct):
    """One record of SNS, which writes its fields with a capital."""

    sns: Notification = named(name="Sns")


def matches(event: Mapping[str, Any]) -> bool:
    """A list of SNS records."""
    records = event.get("Records")
    return isinstance(records, list) and bool(records) and is_sns_record(records[0])


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Embed what the messages name.

    Raises InvalidRequest for a message that names no objects, and TransientFailure: Lambda retries
    asynchronous events.
    """
    records: list[Record] = convert(event["Records"], list[Record])
    references = [unwrap(parse(record.sns.message)) for record in records]
    if None in references:
        raise ApiError("InvalidRequest", "An SNS message must hold an S3 or EventBridge event.")
    found = [reference for group in references for reference in group or ()]
    outcomes = batch_service.embed_all(found, service, invocation)
    return summary(outcomes)
