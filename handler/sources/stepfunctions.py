"""Step Functions: one object, or a batch of them from a Distributed Map's ItemBatcher."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from handler.batch import service as batch_service
from handler.batch.run import summary
from handler.errors import ApiError
from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.storage.types import ObjectReference


def matches(event: Mapping[str, Any]) -> bool:
    """An item with a `key`, or a batch (`Items`), in any of the spellings in use.

    An incomplete one matches too: it raises, since an answer would count as success.
    """
    names = {_plain(name) for name in event if isinstance(name, str)}
    return "Items" in event or "key" in names


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Embed the objects; an item is answered by its outcome, a batch by `results`.

    Raises:
        TransientFailure: At least one object may succeed later. The state machine retries by that
            name; what is written already stays as it is.
        ApiError: InvalidRequest, where an item names no object.
    """
    outcomes = batch_service.embed_all(references(event), service, invocation)
    return summary(outcomes) if "Items" in event else outcomes[0].as_dict()


def references(event: Mapping[str, Any]) -> list[ObjectReference]:
    """The objects of an item or a batch. Raises InvalidRequest."""
    if "Items" not in event:
        return [reference({}, event, "item")]
    items, common = event["Items"], event.get("BatchInput") or {}
    if not isinstance(items, list):
        raise ApiError("InvalidRequest", "Items: expected a list.", details={"field": "Items"})
    return [reference(common, item, f"Items[{index}]") for index, item in enumerate(items)]


def reference(common: Any, item: Any, place: str) -> ObjectReference:
    """One object from `item`, with what `common` says for all.

    An item is ours (`bucket`, `key`, `version_id`), a row of an S3 listing (`Key`) or a row of an
    inventory (`Bucket`, `Key`, `VersionId`). An inventory encodes its keys, which cannot be seen
    in a key: say `"key_encoding": "url"` with it.
    """
    if not isinstance(item, Mapping) or not isinstance(common, Mapping):
        raise ApiError("InvalidRequest", f"{place}: expected an object with bucket and key.")
    fields = {_plain(name): value for name, value in (*common.items(), *item.items())}
    bucket, key = fields.get("bucket"), fields.get("key")
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and key):
        raise ApiError("InvalidRequest", f"{place}: bucket and key must be text.")
    encoded = fields.get("keyencoding") == "url"
    decoded = unquote_plus(key) if encoded else key
    return ObjectReference(bucket, decoded, _text(fields, "versionid"))


def _plain(name: str) -> str:
    """`version_id`, `VersionId` and `version-id` as one."""
    return name.replace("_", "").replace("-", "").lower()


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
