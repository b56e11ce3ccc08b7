"""A queue's batch: messages that are done are deleted, and only those."""

import json
from typing import Any

import msgspec
import pytest

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.sources import sqs
from handler.storage.faults import TransientFailure
from tests.unit.handler.batch.fakes import BUCKET, NO_FACE, POISON, FakeStore
from tests.unit.handler.service_fakes import FakeContext

SLOW_DOWN = TransientFailure("SlowDown", "503")


def message(identifier: str, body: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": identifier, "body": text, "eventSource": "aws:sqs"}


def created(*keys: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}},
            }
            for key in keys
        ]
    }


def failures(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class FakeService:
    """Answers a request with the operation it asks for, or with a prepared failure."""

    def __init__(self, settings: Any, failure: Exception | None = None) -> None:
        self.settings = settings
        self.failure = failure

    def run(self, job: Any, invocation: Any) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        return {"operation": job.operation, "request_id": invocation.request_id}


@pytest.mark.parametrize("identifier", ["\ud800", "", "../m1", "m1\n", "m" * 101, 7])
def test_an_id_that_queues_do_not_make_is_refused(identifier: Any, service: Any) -> None:
    event = {"Records": [message(identifier, {"images": ["", ""]})]}
    with pytest.raises(ApiError, match="InvalidRequest"):
        sqs.handle(event, Invocation(), service)


def test_s3_events_in_a_queue_are_embedded_and_the_test_event_dropped(
    load_event: Any, store: FakeStore, result_keys: Any, service: Any
) -> None:
    event = load_event("s3-in-sqs")
    assert sqs.matches(event)
    assert sqs.handle(event, Invocation(), service) == {"batchItemFailures": []}
    assert sorted(store.results) == sorted([result_keys.named, result_keys.plain])


@pytest.mark.parametrize("wrapping", ["s3-notification", "eventbridge-object-created"])
def test_event_may_come_bare(
    load_event: Any, store: FakeStore, result_keys: Any, service: Any, wrapping: str
) -> None:
    sqs.handle({"Records": [message("1", load_event(wrapping))]}, Invocation(), service)
    assert list(store.results) == [result_keys.named]


def test_event_may_come_in_an_sns_envelope(
    load_event: Any, store: FakeStore, result_keys: Any, service: Any
) -> None:
    assert sqs.handle(load_event("sns-in-sqs"), Invocation(), service) == {"batchItemFailures": []}
    assert list(store.results) == [result_keys.named]


def test_only_messages_with_a_passing_failure_come_again(store: FakeStore, service: Any) -> None:
    for number in range(10):
        store.add(f"{number}.jpg", b"picture %d" % number)
    store.add("3.jpg", POISON)
    store.add("5.jpg", NO_FACE)
    store.faults["7.jpg"] = [SLOW_DOWN]
    records = [message(f"m{number}", created(f"{number}.jpg")) for number in range(10)]
    assert failures(sqs.handle({"Records": records}, Invocation(), service)) == ["m3", "m7"]
    assert len(store.results) == 8
    again = [record for record in records if record["messageId"] == "m7"]
    assert failures(sqs.handle({"Records": again}, Invocation(), service)) == []
    assert len(store.results) == 9


def test_message_with_several_objects_comes_again_if_one_failed(
    store: FakeStore, service: Any
) -> None:
    store.add("a.jpg", b"a")
    store.faults["plain.jpg"] = [SLOW_DOWN]
    record = message("m", created("a.jpg", "plain.jpg"))
    assert failures(sqs.handle({"Records": [record]}, Invocation(), service)) == ["m"]
    assert failures(sqs.handle({"Records": [record]}, Invocation(), service)) == []
    assert len(store.results) == 2


@pytest.mark.parametrize("body", ["not json", "null", "[]", "{}", '{"hello": 1}', "\ud800"])
def test_message_about_nothing_goes_to_the_dead_letters_alone(
    store: FakeStore, service: Any, body: str
) -> None:
    records = [message("bad", body), message("good", created("plain.jpg"))]
    assert failures(sqs.handle({"Records": records}, Invocation(), service)) == ["bad"]
    assert len(store.results) == 1


def test_broken_notification_keeps_its_message(service: Any) -> None:
    broken = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}
    assert failures(sqs.handle({"Records": [message("m", broken)]}, Invocation(), service)) == ["m"]


def test_out_of_time_returns_every_message(load_event: Any, service: Any) -> None:
    event = load_event("s3-in-sqs")
    answer = sqs.handle(event, Invocation(FakeContext(remaining_ms=0)), service)
    assert failures(answer) == [record["messageId"] for record in event["Records"][:2]]


def test_request_is_answered_under_its_message_id(
    load_event: Any, store: FakeStore, service: Any
) -> None:
    event = load_event("sqs-request")
    identifier = event["Records"][0]["messageId"]
    answer = sqs.handle(event, Invocation(), FakeService(service.settings))
    assert failures(answer) == []
    document = msgspec.json.decode(store.results[f"out/_requests/{identifier}.json"])
    assert document == {"operation": "compare", "request_id": identifier}


def test_request_that_cannot_be_answered_gets_its_error_and_does_not_come_again(
    store: FakeStore, service: Any
) -> None:
    record = message("m", {"operation": "dance", "images": ["aGk="]})
    assert (
        failures(sqs.handle({"Records": [record]}, Invocation(), FakeService(service.settings)))
        == []
    )
    document = msgspec.json.decode(store.results["out/_requests/m.json"])
    assert document["error"]["code"] == "UnknownOperation"


def test_request_that_may_be_answered_later_comes_again(
    load_event: Any, store: FakeStore, service: Any
) -> None:
    for failure in (ApiError("StorageUnavailable", "later"), RuntimeError("bug")):
        broken = FakeService(service.settings, failure)
        assert len(failures(sqs.handle(load_event("sqs-request"), Invocation(), broken))) == 1
    assert store.results == {}


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        (SLOW_DOWN, SLOW_DOWN.code, "TransientFailure"),
        (ValueError("secret"), "InternalError", "ValueError"),
    ],
)
def test_answer_that_cannot_be_written_comes_again(
    fault: Exception,
    code: str,
    kind: str,
    load_event: Any,
    store: FakeStore,
    service: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = load_event("sqs-request")
    key = f"out/_requests/{event['Records'][0]['messageId']}.json"
    store.faults[key] = [fault]
    fine = FakeService(service.settings)
    assert len(failures(sqs.handle(event, Invocation(), fine))) == 1
    assert failures(sqs.handle(event, Invocation(), fine)) == []
    bad, good = logged(capsys)
    assert (bad["status"], bad["code"], bad["error_type"]) == (503, code, kind)
    assert "secret" not in json.dumps(bad)
    assert good["status"] == 200


def test_request_is_not_begun_without_time(load_event: Any, store: FakeStore, service: Any) -> None:
    answer = sqs.handle(
        load_event("sqs-request"),
        Invocation(FakeContext(remaining_ms=0)),
        FakeService(service.settings),
    )
    assert len(failures(answer)) == 1
    assert store.results == {}


def test_time_to_write_the_answer_is_kept_from_a_request(service: Any, store: FakeStore) -> None:
    left = []

    class Watched(FakeService):
        def run(self, job: Any, invocation: Any) -> dict[str, Any]:
            left.append(invocation.remaining_ms())
            return super().run(job, invocation)

    event = {"Records": [message("m", {"operation": "compare", "images": ["", ""]})]}
    sqs.handle(event, Invocation(FakeContext(remaining_ms=60_000)), Watched(service.settings))
    assert left == [pytest.approx(57_000)]
    assert "out/_requests/m.json" in store.results


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["message"] == "call"]


def test_every_request_leaves_a_line_in_the_log(
    store: FakeStore, service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"Records": [message("m", {"images": ["", ""]})]}
    answering = FakeService(service.settings)
    sqs.handle(event, Invocation(), answering)
    sqs.handle(event, Invocation(), FakeService(service.settings, RuntimeError("secret")))
    good, bad = logged(capsys)
    assert (good["source"], good["status"], good["request_id"]) == ("sqs", 200, "m")
    assert good["duration_ms"] >= 0
    assert (bad["status"], bad["code"], bad["error_type"]) == (500, "InternalError", "RuntimeError")
    assert "secret" not in json.dumps(bad)
