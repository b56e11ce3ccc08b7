"""A picture goes in at S3 and its result comes out; so does a request; poison goes aside."""

import json

import pytest

from tests.deploy.emulator import until
from tests.deploy.report import REPORT
from tests.deploy.workload import Workload

DIFFICULT = "portraits/ä b+c%2Fd/日本 (1)=&'!.jpg"


def test_an_object_with_a_difficult_key_gets_its_result(batch: Workload) -> None:
    batch.put(DIFFICULT, "two_people.jpg")
    result = batch.result_of(DIFFICULT)
    assert result["object"]["key"] == DIFFICULT
    assert len(result["faces"]) == 2
    assert all(len(face["embedding"]) == result["model"]["dimension"] for face in result["faces"])
    REPORT.calls.append("S3 -> EventBridge -> SQS -> function: a difficult key, two faces")


def test_a_picture_without_a_face_has_its_reason_written_down(batch: Workload) -> None:
    batch.put("empty.jpg", "no_face.jpg")
    assert batch.result_of("empty.jpg")["error"]["code"] == "FaceNotFound"
    until(lambda: batch.waiting() == 0, 20)


def test_a_request_through_the_queue_is_answered(batch: Workload) -> None:
    for key in ("left.jpg", "right.jpg"):
        batch.put(key, "eileen_collins.jpg")
    images = [{"s3": {"bucket": batch.inputs, "key": key}} for key in ("left.jpg", "right.jpg")]
    message = batch.send({"operation": "compare", "images": images})
    answer = batch.answer_to(message)
    assert answer["same"] is True
    assert answer["request_id"] == message
    REPORT.calls.append("SQS request -> function: compare of two objects, same person")


def test_a_request_that_can_never_succeed_is_refused_in_writing(batch: Workload) -> None:
    images = [{"s3": {"bucket": batch.inputs, "key": "never.jpg"}}]
    message = batch.send({"operation": "embed", "images": images})
    assert batch.answer_to(message)["error"]["code"] == "ObjectNotFound"


def test_poison_goes_to_the_dead_letters_and_back(batch: Workload) -> None:
    batch.hide_briefly()
    batch.send("this is no request")
    healthy = batch.send({"operation": "detect", "images": [here(batch, "left.jpg")]})
    assert batch.answer_to(healthy)["images"][0]["faces"]
    until(lambda: batch.dead() == 1, 60)
    assert batch.waiting() == 0
    batch.redrive()
    until(lambda: batch.dead() == 0, 10)
    until(lambda: batch.dead() == 1, 60)  # it is poison still, and is not lost
    batch.purge()
    REPORT.calls.append("poison message -> dead letters -> back -> dead letters; its neighbour ok")


def here(batch: Workload, key: str) -> dict[str, dict[str, str]]:
    return {"s3": {"bucket": batch.inputs, "key": key}}


@pytest.mark.parametrize("name", ["compare-same", "compare-different"])
def test_a_direct_call_answers_the_example(batch: Workload, name: str) -> None:
    from tests.deploy.emulator import ROOT

    event = (ROOT / f"events/{name}.json").read_bytes()
    client = batch.stack.emulator.client("lambda")
    function = batch.stack.resources["FacenetFunction"]
    answer = json.loads(client.invoke(FunctionName=function, Payload=event)["Payload"].read())
    assert answer["same"] is (name == "compare-same")
