"""S3's own notifications: encoded keys, test events, and what is no creation."""

from typing import Any

import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import s3
from handler.storage.faults import TransientFailure
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import FakeStore


def record(key: str, name: str = "ObjectCreated:Put", source: str = "aws:s3") -> dict[str, Any]:
    entity = {"bucket": {"name": "photos"}, "object": {"key": key, "versionId": "", "eTag": "e"}}
    return {"eventSource": source, "eventName": name, "s3": entity}


def test_key_is_decoded_and_version_is_kept(load_event: Any, named: ObjectReference) -> None:
    event = load_event("s3-notification")
    assert s3.matches(event)
    assert s3.references(event) == [named]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("a+b", "a b"), ("a%2Bb", "a+b"), ("a%252Bb", "a%2Bb"), ("caf%C3%A9/%25", "café/%")],
)
def test_aws_keys_are_decoded_once(written: str, meant: str) -> None:
    assert s3.references({"Records": [record(written)]})[0].key == meant


@pytest.mark.parametrize("key", ["a b+c/ü.jpg", "100%25 sure"])
def test_ceph_keys_are_taken_as_they_are(key: str) -> None:
    event = {"Records": [record(key, source="ceph:s3")]}
    assert s3.matches(event)
    assert s3.references(event) == [ObjectReference("photos", key)]


def test_test_event_names_nothing(load_event: Any, store: FakeStore) -> None:
    event = load_event("s3-test-event")
    assert s3.matches(event)
    assert s3.handle(event, Invocation(), None) == {"results": []}
    assert store.reads == []


@pytest.mark.parametrize("name", ["ObjectTagging:Put", "s3:ObjectRestore:Post", "Other"])
def test_other_changes_name_nothing(name: str) -> None:
    assert s3.references({"Records": [record("a", name)]}) == []


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"],
)
def test_a_deletion_names_the_object_without_a_version(
    name: str, service: Any, store: FakeStore
) -> None:
    event = {"Records": [record("a+b", name)]}
    assert s3.references(event) == [ObjectReference("photos", "a b", removed=True)]
    assert s3.handle(event, Invocation(), service) == {"results": []}  # no collection follows
    assert store.reads == []


@pytest.mark.parametrize("name", ["ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Put"])
def test_every_kind_of_creation_counts(name: str) -> None:
    assert len(s3.references({"Records": [record("a", name)]})) == 1


def test_broken_record_is_refused_by_name() -> None:
    broken = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}
    with pytest.raises(ApiError, match="s3"):
        s3.references(broken)


@pytest.mark.parametrize("event", [{"Records": []}, {"Records": "x"}, {"Records": [None]}, {}])
def test_other_events_do_not_match(event: dict[str, Any]) -> None:
    assert not s3.matches(event)


def test_result_is_written_and_reported(
    load_event: Any, store: FakeStore, result_keys: Any
) -> None:
    answer = s3.handle(load_event("s3-notification"), Invocation(), None)
    assert list(store.results) == [result_keys.named]
    assert answer["results"][0]["output"] == f"s3://example-faces/{result_keys.named}"
    assert answer["results"][0]["status"] == "written"


def test_passing_failure_is_raised_so_that_lambda_retries(
    load_event: Any, store: FakeStore, named: ObjectReference
) -> None:
    store.faults[named.key] = [TransientFailure("SlowDown", "503")]
    with pytest.raises(TransientFailure, match="SlowDown"):
        s3.handle(load_event("s3-notification"), Invocation(), None)
    assert store.results == {}
