"""SQS: messages about new objects, and our own requests, answered as a partial batch.

powertools' batch processor calls one function per message. Here the messages of a batch share
downloads and inference, so the same answer is made by hand: it is one list of ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec import field as named

from handler import batch_service
from handler.answers import encode
from handler.batch import Batch
from handler.batch_types import ObjectReference, Status, TransientFailure
from handler.call import Call
from handler.cold_start import AnyService, ready
from handler.errors import ApiError, render, where
from handler.failures import as_api_error
from handler.observability import log, log_call
from handler.pipeline import Service
from handler.requests import convert, parse_object
from handler.sources import direct
from handler.sources.notifications import parse, unwrap

SOURCE = "aws:sqs"
# SQS makes UUIDs. The id becomes a part of a key, so nothing else may pass for one.
IDENTIFIER = r"^[\w-]{1,100}\Z"


class Record(Struct):
    """One message as Lambda hands it over."""

    identifier: Annotated[str, Meta(pattern=IDENTIFIER)] = named(name="messageId")
    body: str


@dataclass(frozen=True)
class Message:
    """A message understood: the objects that it names, a request of ours, or neither."""

    identifier: str
    references: tuple[ObjectReference, ...] = ()
    request: Mapping[str, Any] | None = None
    unknown: bool = False


def matches(event: Mapping[str, Any]) -> bool:
    """A list of SQS records."""
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, Mapping) and first.get("eventSource") == SOURCE


def handle(event: Mapping[str, Any], context: Any, service: AnyService) -> dict[str, Any]:
    """Do what the messages say; those that have to come again are named in `batchItemFailures`.

    A queue with its event source mapping set to ReportBatchItemFailures deletes all others.
    """
    records: list[Record] = convert(event["Records"], list[Record])
    messages = [understand(record) for record in records]
    failed = {message.identifier for message in messages if message.unknown}
    if any(message.references or message.request for message in messages):
        batch = batch_service.open_batch(service, context)
        failed |= unembedded(messages, batch)
        failed |= unanswered(messages, batch, ready(service), context)
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in sorted(failed)]}


def understand(record: Record) -> Message:
    """What a message is about.

    One that is broken, or about nothing we know, stays in the queue and ends, whole, in the
    dead-letter queue; it does not disturb the others.
    """
    try:
        body = parse(record.body)
        references = unwrap(body)
    except ApiError:
        return unknown(record)
    if references is not None:
        return Message(record.identifier, tuple(references))
    if isinstance(body, Mapping) and direct.matches(body):
        return Message(record.identifier, request=body)
    return unknown(record)


def unknown(record: Record) -> Message:
    log(
        "message of no known kind",
        level="ERROR",
        source="sqs",
        request_id=record.identifier,
        code="InvalidRequest",
    )
    return Message(record.identifier, unknown=True)


def unembedded(messages: Sequence[Message], batch: Batch) -> set[str]:
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


def unanswered(
    messages: Sequence[Message], batch: Batch, service: Service, context: Any
) -> set[str]:
    """Answer the requests one by one; the messages that have to come again."""
    return {
        message.identifier
        for message in messages
        if message.request is not None
        and not write_answer(message.identifier, message.request, batch, service, context)
    }


def write_answer(
    identifier: str, request: Mapping[str, Any], batch: Batch, service: Service, context: Any
) -> bool:
    """Write the answer under the message's id; False where the message has to come again."""
    if batch.deadline.within(0):
        return False
    call = Call(context, kept_ms=batch.deadline.reserve * 1000)
    call.request_id = identifier
    call.note(source="sqs", status=200, request_id=identifier)
    document = answer(request, service, call)
    written = document is not None and put(document, batch, call)
    log_call(call.ended(), service.settings.metrics_namespace)
    return written


def put(document: bytes, batch: Batch, call: Call) -> bool:
    """Write an answer unless it is there. Whatever stops it must not stop the other messages."""
    try:
        batch.store.put_new(batch.output.request_key(call.request_id), document)
    except Exception as failure:
        code = failure.code if isinstance(failure, TransientFailure) else "InternalError"
        kind = type(failure).__name__
        call.note(status=503, code=code, error_type=kind, where=where(failure))
        return False
    return True


def answer(request: Mapping[str, Any], service: Service, call: Call) -> bytes | None:
    """What a direct invocation would answer; None where a retry may give another answer."""
    try:
        return encode(service.run(parse_object(request, service.settings.limits), call))
    except Exception as failure:
        error = as_api_error(failure, call)
        return None if error.retryable else encode(render(error, call.request_id))
