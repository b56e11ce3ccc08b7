"""The image, deployed by `sam deploy` to the AWS emulator: the whole way from a call to its answer.

tests/deploy has the rest, with a local process in the image's place.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.callers import Endpoint, allow, make_user
from tests.deploy.emulator import ROOT, EmulatorError, running
from tests.deploy.permissions import without
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission
from tests.deploy.workload import Workload
from tests.needs import not_here


@pytest.fixture(scope="module")
def batch(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """The stack with `Batch=yes`; its function is the image."""
    try:
        with running(tmp_path_factory.mktemp("ministack")) as emulator:
            stack = Stack(emulator, tmp_path_factory.mktemp("project"), image=image)
            stack.require(Batch="yes")
            yield Workload(stack)
            stack.stop_function()
            REPORT.host, REPORT.history = stack.host, stack.history
    except EmulatorError as reason:
        not_here(f"no emulator: {reason}")


def test_a_signed_call_of_the_api_is_answered(batch: Workload) -> None:
    emulator = batch.stack.emulator
    user = make_user(emulator, f"caller-{uuid.uuid4().hex[:6]}")
    allow(emulator, user, "execute-api:Invoke")
    endpoint = Endpoint(emulator, batch.stack.outputs["ApiUrl"])
    for name in ("same", "different"):
        body = (ROOT / f"events/compare-{name}.json").read_bytes()
        assert endpoint.call("POST", "/v1/compare", body).status == 403
        answer = endpoint.signed(user.credentials, "POST", "/v1/compare", body)
        assert json.loads(answer.body)["same"] is (name == "same")
    REPORT.calls.append("API: two comparisons answered, two unsigned ones refused")


def test_an_object_gets_its_result(batch: Workload) -> None:
    batch.put("portraits/two people.jpg", "two_people.jpg")
    assert len(batch.result_of("portraits/two people.jpg")["faces"]) == 2
    REPORT.calls.append("S3 -> EventBridge -> SQS -> function: two faces")


def test_a_request_through_the_queue_is_answered(batch: Workload) -> None:
    batch.put("left.jpg")
    images = [{"s3": {"bucket": batch.inputs, "key": key}} for key in ("left.jpg", "never.jpg")]
    found, missing = (batch.send({"operation": "detect", "images": [one]}) for one in images)
    assert batch.answer_to(found)["images"][0]["faces"]
    assert batch.answer_to(missing)["error"]["code"] == "ObjectNotFound"
    REPORT.calls.append("SQS request -> function: faces of an object, ObjectNotFound of none")


def test_the_image_may_read_what_its_role_may(batch: Workload) -> None:
    batch.put("portrait.jpg")
    event = {"images": [{"s3": {"bucket": batch.inputs, "key": "portrait.jpg"}}]}

    def detect() -> Any:
        client, name = batch.stack.emulator.client("lambda"), batch.stack.resources
        payload = json.dumps({"operation": "detect", **event}).encode()
        answer = client.invoke(FunctionName=name["FacenetFunction"], Payload=payload)
        return json.loads(answer["Payload"].read())

    with without(batch.stack, Permission("ReadInput", 0, "s3:GetObject")):
        assert detect()["error"]["code"] == "BucketNotAllowed"
    assert detect()["images"][0]["faces"]
    REPORT.calls.append("direct call without ReadInput s3:GetObject: BucketNotAllowed; with: faces")
