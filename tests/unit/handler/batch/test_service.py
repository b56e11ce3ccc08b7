"""A batch is put together from the loaded service, or says what is missing."""

from types import SimpleNamespace
from typing import Any

import pytest

from handler.batch import service as batch_service
from handler.environment import Location
from handler.errors import ApiError
from handler.faces.answers import ModelAnswer
from handler.faces.service import BrokenService
from handler.invocation import Invocation
from handler.settings import Limits, Settings
from handler.sources import eventbridge, s3, sqs
from handler.storage import clients
from handler.storage.types import ObjectReference

REFERENCE = ObjectReference("photos", "a.jpg")


class Service:
    """What a batch takes of the service."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.given: list[tuple[list[bytes], Any, Any]] = []

    def describe(self) -> ModelAnswer:
        return ModelAnswer(id="tiny", contract="tiny@0123456789ab", sha256="ab", dimension=4)

    def embed_pictures(self, pictures: list[bytes], invocation: Any, finding: Any) -> list[Any]:
        self.given.append((pictures, invocation, finding))
        return []


def test_settings_reach_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "client", lambda: "client")
    service = Service(
        output=Location("faces", "out"),
        input_buckets=frozenset({"photos"}),
        limits=Limits(image_bytes=7),
        bucket_owner="123456789012",
    )
    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 60_000)
    batch = batch_service.open_batch(service, Invocation(context))  # type: ignore[arg-type]
    assert (batch.output.bucket, batch.output.prefix) == ("faces", "out")
    assert batch.output.model == {
        "id": "tiny",
        "contract": "tiny@0123456789ab",
        "sha256": "ab",
        "dimension": 4,
    }
    assert batch.buckets == {"photos"}
    assert batch.limits.image_bytes == batch.store.image_bytes == 7  # type: ignore[attr-defined]
    assert batch.store.bucket_owner == "123456789012"  # type: ignore[attr-defined]
    assert 0 < (batch.deadline.seconds_left() or 0) < 60
    batch.embed_pictures([b"picture"])
    ((pictures, invocation, finding),) = service.given
    assert pictures == [b"picture"]
    assert invocation.request_id == "r"
    assert (invocation.remaining_ms(), finding.remaining_ms()) == (60_000, 57_000)


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:facenet:7"


@pytest.mark.parametrize(
    ("setting", "arn", "owner"),
    [
        (None, ARN, "123456789012"),
        ("210987654321", ARN, "210987654321"),
        (None, None, None),
    ],
)
def test_results_go_to_a_bucket_of_the_functions_own_account(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, arn: str | None, owner: str | None
) -> None:
    monkeypatch.setattr(clients, "client", lambda: "client")
    service = Service(
        output=Location("faces", "out"), bucket_owner="111111111111", output_owner=setting
    )
    invocation = Invocation(SimpleNamespace(invoked_function_arn=arn))
    store = batch_service.open_batch(service, invocation).store  # type: ignore[arg-type]
    assert store.output_owner == owner  # type: ignore[attr-defined]
    assert store.bucket_owner == "111111111111"  # type: ignore[attr-defined]


def test_without_an_output_the_event_is_refused_with_the_settings_name() -> None:
    with pytest.raises(ApiError, match="FACENET_OUTPUT"):
        batch_service.embed_all([REFERENCE], Service(), None)  # type: ignore[arg-type]


def test_function_that_could_not_start_leaves_the_event_with_its_sender() -> None:
    broken = BrokenService(Settings(), ApiError("ModelUnavailable", "no model"))
    with pytest.raises(ApiError, match="no model"):
        batch_service.embed_all([REFERENCE], broken, None)


def test_event_without_objects_needs_no_output(load_event: Any) -> None:
    service: Any = Service()
    test_event = load_event("s3-test-event")
    assert s3.handle(test_event, Invocation(), service) == {"results": []}
    deleted = {**load_event("eventbridge-object-created"), "detail-type": "Object Deleted"}
    assert eventbridge.handle(deleted, Invocation(), service) == {"results": []}
    queued = load_event("s3-in-sqs")
    queued["Records"] = queued["Records"][2:]
    assert sqs.handle(queued, Invocation(), service) == {"batchItemFailures": []}
