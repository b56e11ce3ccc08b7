"""SQS: messages about new objects, and our own requests, answered as a partial batch.

powertools' batch processor calls one function per message. Here the messages of a batch share
downloads and inference, so the same answer is made by hand: it is one list of ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec import field as named

from handler.batch import service as batch_service
from handler.batch.queued import QueuedRequests
from handler.batch.run import Batch
from handler.batch.types import Status
from handler.decoding import convert
from handler.errors import ApiError
from handler.faces.service import AnyService, ready
from handler.invocation import Invocation
from handler.observability import log
from handler.sources import direct
from handler.sources.notifications import parse, unwrap
from handler.storage.types import ObjectReference

SOURCE = "aws:sqs"
# SQS ids are UUIDs. The id becomes part of a key, so any other text is refused.
IDENTIFIER = r"^[\w-]{1,100}\Z"


class Record(Struct):
    """One message as Lambda hands it over."""

    identifier: Annotated[str, Meta(pattern=IDENTIFIER)] = named(name="messageId")
    body: str


@dataclass(frozen=True)
class Message:
    """A parsed message: the objects that it names, a request of ours, or neither."""

    identifier: str
    references: tuple[ObjectReference, ...] = ()
    request: Mapping[str, Any] | None = None
    unknown: bool = False


def matches(event: Mapping[str, Any]) -> bool:
    """A list of SQS records."""
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, Mapping) and first.get("eventSource") == SOURCE


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Handles the messages; `batchItemFailures` names those to deliver again.

    A queue with its event source mapping set to ReportBatchItemFailures deletes all others.
    """
    return handle_records(event["Records"], invocation, service)


def handle_records(
    listed: Sequence[Any], invocation: Invocation, service: AnyService
) -> dict[str, Any]:
    """As `handle`, for the records alone. Raises InvalidRequest where they are not SQS's."""
    records: list[Record] = convert(listed, list[Record])
    messages = [parse_message(record, service) for record in records]
    failed = {message.identifier for message in messages if message.unknown}
    if any(message.references or message.request for message in messages):
        batch = batch_service.open_batch(service, invocation)
        requests = batch_service.open_requests(batch, ready(service), invocation)
        failed |= embed_objects(messages, batch)
        failed |= answer_requests(messages, requests)
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in sorted(failed)]}


def parse_message(record: Record, service: AnyService) -> Message:
    """What a message is about.

    A malformed or unknown message stays in the queue until it is dead-lettered, unchanged; it does
    not affect the others.
    """
    try:
        body = parse(record.body)
        references = unwrap(body)
    except ApiError:
        return report_unknown(record)
    if references is not None:
        return Message(
            record.identifier, tuple(batch_service.drop_ignored_deletions(references, service))
        )
    if isinstance(body, Mapping) and direct.matches(body):
        return Message(record.identifier, request=body)
    return report_unknown(record)


def report_unknown(record: Record) -> Message:
    log(
        "message of no known kind",
        level="ERROR",
        source="sqs",
        request_id=record.identifier,
        code="InvalidRequest",
    )
    return Message(record.identifier, unknown=True)


def embed_objects(messages: Sequence[Message], batch: Batch) -> set[str]:
    """Embed the objects of all messages together; the messages with an object that FAILED."""
    owners = [
        (message.identifier, reference) for message in messages for reference in message.references
    ]
    outcomes = batch.run([reference for _, reference in owners]) if owners else []
    return {
        identifier
        for (identifier, _), outcome in zip(owners, outcomes, strict=True)
        if outcome.status is Status.FAILED
    }


def answer_requests(messages: Sequence[Message], requests: QueuedRequests) -> set[str]:
    """Answer the requests one by one; the messages that have to come again."""
    return {
        message.identifier
        for message in messages
        if message.request is not None and not requests.answer(message.identifier, message.request)
    }
