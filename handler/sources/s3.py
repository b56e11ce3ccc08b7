"""S3 event notifications, as sent to a function, a queue or a topic."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from msgspec import Struct
from msgspec import field as named

from handler.batch import service as batch_service
from handler.batch.run import summary
from handler.decoding import convert
from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.storage.types import ObjectReference

# Ceph's gateway sends the same records as AWS, but keys as they are.
ENCODED_SOURCE = "aws:s3"
RAW_SOURCE = "ceph:s3"
TEST_EVENT = "s3:TestEvent"
CREATED = "ObjectCreated:"
REMOVED = ("ObjectRemoved:", "LifecycleExpiration:")


class Bucket(Struct):
    """`s3.bucket` of a record."""

    name: str


class Object(Struct):
    """`s3.object` of a record."""

    key: str
    version_id: str | None = named(name="versionId", default=None)


class Entity(Struct):
    """`s3` of a record."""

    bucket: Bucket
    object: Object


class Record(Struct):
    """One record of a notification."""

    source: str = named(name="eventSource")
    name: str = named(name="eventName")
    s3: Entity

    def reference(self) -> ObjectReference:
        """The object; its key has `+` for a space and `%2B` for a plus on AWS."""
        found = self.s3.object
        key = unquote_plus(found.key) if self.source == ENCODED_SOURCE else found.key
        if self.change.startswith(REMOVED):  # its version is the delete marker's, or an old one's
            return ObjectReference(self.s3.bucket.name, key, removed=True)
        return ObjectReference(self.s3.bucket.name, key, found.version_id or None)

    @property
    def change(self) -> str:
        """What happened, as `ObjectCreated:Put`."""
        return self.name.removeprefix("s3:")


def matches(event: Mapping[str, Any]) -> bool:
    """A list of S3 records, or the message that S3 sends when a notification is set up."""
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    source = first.get("eventSource") if isinstance(first, Mapping) else None
    return source in (ENCODED_SOURCE, RAW_SOURCE) or event.get("Event") == TEST_EVENT


def references(event: Mapping[str, Any]) -> list[ObjectReference]:
    """The objects that were created or deleted; none for a test event or for other kinds of change.

    Raises InvalidRequest where a record is not one of S3's.
    """
    if event.get("Event") == TEST_EVENT:
        return []
    records: list[Record] = convert(event["Records"], list[Record])
    known = (CREATED, *REMOVED)
    return [record.reference() for record in records if record.change.startswith(known)]


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Embed what was created. Raises TransientFailure: Lambda retries asynchronous events."""
    outcomes = batch_service.embed_all(references(event), service, invocation)
    return summary(outcomes)
