"""A batch with fake storage behind every source that embeds objects."""

from types import SimpleNamespace
from typing import Any

import pytest

from handler.batch import service as batch_service
from handler.batch.deadline import Deadline
from handler.invocation import Invocation
from handler.settings import Settings
from handler.storage.types import ObjectReference
from tests.unit.handler.batch.fakes import BUCKET, FakeStore, batch, etag_of

KEY = "holiday 2026/eileen + grace/München (1).jpg"


@pytest.fixture
def store() -> FakeStore:
    """The two objects that the events in events/ name."""
    made = FakeStore()
    made.add(KEY, b"eileen and grace")
    made.add("plain.jpg", b"plain")
    return made


@pytest.fixture(autouse=True)
def batches(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source opens a batch on `store`."""

    def open_batch(service: Any, invocation: Invocation) -> Any:
        return batch(store, deadline=Deadline.of(invocation))

    monkeypatch.setattr(batch_service, "open_batch", open_batch)


@pytest.fixture
def service() -> Any:
    """Enough of a service for what does not embed."""
    return SimpleNamespace(settings=Settings())


@pytest.fixture
def named() -> ObjectReference:
    """The object with the difficult key, as an event with a version names it."""
    version = "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    return ObjectReference(BUCKET, KEY, version)


@pytest.fixture
def result_keys() -> Any:
    """Names of the results of the two objects: the first by version, the second by ETag."""
    return SimpleNamespace(
        named=f"out/{BUCKET}/{KEY}/096fKKXTRTtl3on89fVO.nfljtsv6qko.tiny@0123456789ab.json",
        named_by_etag=f"out/{BUCKET}/{KEY}/{etag_of(b'eileen and grace')}.tiny@0123456789ab.json",
        plain=f"out/{BUCKET}/plain.jpg/{etag_of(b'plain')}.tiny@0123456789ab.json",
    )
