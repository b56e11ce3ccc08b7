"""EventBridge's "Object Created": keys as they are, fields with dashes."""

from typing import Any

import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import eventbridge
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import FakeStore


def test_object_is_named_as_it_is(load_event: Any, named: ObjectReference) -> None:
    event = load_event("eventbridge-object-created")
    assert eventbridge.matches(event)
    assert eventbridge.references(event) == [named]


@pytest.mark.parametrize("key", ["a+b", "a%2Bb", "a b"])
def test_key_is_not_decoded(load_event: Any, key: str) -> None:
    event = load_event("eventbridge-object-created")
    event["detail"]["object"]["key"] = key
    assert eventbridge.references(event)[0].key == key


def test_bucket_without_versions_has_none(load_event: Any) -> None:
    event = load_event("eventbridge-object-created")
    del event["detail"]["object"]["version-id"]
    assert eventbridge.references(event)[0].version_id is None


def test_other_changes_name_nothing(load_event: Any) -> None:
    event = {**load_event("eventbridge-object-created"), "detail-type": "Object Tags Added"}
    assert eventbridge.matches(event)
    assert eventbridge.handle(event, Invocation(), None) == {"results": []}


def test_a_deletion_names_the_object_without_a_version(load_event: Any, service: Any) -> None:
    event = load_event("eventbridge-object-deleted")
    (reference,) = eventbridge.references(event)
    assert (reference.version_id, reference.removed) == (None, True)
    assert eventbridge.handle(event, Invocation(), service) == {"results": []}


def test_events_of_other_services_do_not_match(load_event: Any) -> None:
    event = {**load_event("eventbridge-object-created"), "source": "aws.ec2"}
    assert not eventbridge.matches(event)


def test_broken_event_is_refused_by_name(load_event: Any) -> None:
    event = load_event("eventbridge-object-created")
    del event["detail"]["bucket"]
    with pytest.raises(ApiError, match="bucket"):
        eventbridge.references(event)


def test_result_is_written(load_event: Any, store: FakeStore, result_keys: Any) -> None:
    eventbridge.handle(load_event("eventbridge-object-created"), Invocation(), None)
    assert list(store.results) == [result_keys.named]
