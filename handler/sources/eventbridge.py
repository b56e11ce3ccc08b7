"""EventBridge's "Object Created" and "Object Deleted": plain keys, fields with dashes."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handler.batch import service as batch_service
from handler.batch.run import summary
from handler.decoding import convert
from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.storage.types import ObjectReference

SOURCE = "aws.s3"
CREATED = "Object Created"
DELETED = "Object Deleted"


class Bucket(Struct):
    """`detail.bucket`."""

    name: str


class Object(Struct, rename="kebab"):
    """`detail.object`; `version-id` is absent in a bucket without versions."""

    key: str
    version_id: str | None = None


class Detail(Struct):
    """`detail` of an S3 event."""

    bucket: Bucket
    object: Object


def matches(event: Mapping[str, Any]) -> bool:
    """Any S3 event; events other than these two are accepted and ignored."""
    return event.get("source") == SOURCE and "detail-type" in event


def references(event: Mapping[str, Any]) -> list[ObjectReference]:
    """The object that was created or deleted; none for other changes. Raises InvalidRequest."""
    if event["detail-type"] not in (CREATED, DELETED):
        return []
    detail: Detail = convert(event.get("detail"), Detail)
    found = detail.object
    if event["detail-type"] == DELETED:  # its version is the delete marker's, or an old one's
        return [ObjectReference(detail.bucket.name, found.key, removed=True)]
    return [ObjectReference(detail.bucket.name, found.key, found.version_id or None)]


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Embed what was created. Raises TransientFailure: Lambda retries asynchronous events."""
    outcomes = batch_service.embed_all(references(event), service, invocation)
    return summary(outcomes)
