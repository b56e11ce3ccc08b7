"""The template's Distributed Map over a listing, run by moto with the function behind it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.servers import connection
from handler.storage.faults import TransientFailure
from tests.aws import stand_in
from tests.aws.conftest import Bench
from tests.aws.servers import step_functions
from tests.aws.servers.step_functions import StepFunctions

INPUT, OUTPUT = "photos-in", "faces-out"
ROLE = "arn:aws:iam::123456789012:role/backfill"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:facenet"
ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepFunctions]:
    pytest.importorskip("moto.server", reason="needs moto[server]: group aws-test")
    with step_functions.running(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
def backfill(steps: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Buckets of moto, with pictures in them, and the function that reads them."""
    s3 = steps.client("s3")
    for bucket in (INPUT, OUTPUT):
        s3.create_bucket(Bucket=bucket)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")
    connection.use(steps.url, step_functions.ANYBODY)
    service = stand_in.StandIn(stand_in.settings([INPUT], OUTPUT))
    bench = Bench(s3, service, inputs=INPUT, outputs=OUTPUT)
    for number in range(12):
        bench.put(f"a b+c/{number} ü.jpg")
    return bench


def machine(root: Path) -> dict[str, Any]:
    """The template's state machine over a listing.

    moto knows no ItemBatcher, ResultWriter or tolerated failures: here each item comes alone, with
    the bucket that the batcher would add, and none may fail.
    """
    text = (root / "statemachine" / "backfill.asl.json").read_text()
    for name, value in (
        ("Partition", "aws"),
        ("MaxConcurrency", "2"),
        ("InputBucket", INPUT),
        ("InputPrefix", ""),
        ("OutputBucket", OUTPUT),
        ("FunctionArn", FUNCTION),
    ):
        text = text.replace("${" + name + "}", value)
    listing: dict[str, Any] = json.loads(text)["States"]["EmbedListing"]
    batcher = listing.pop("ItemBatcher")
    del listing["ResultWriter"], listing["ToleratedFailurePercentage"]
    listing["ItemSelector"] = {**batcher["BatchInput"], "key.$": "$$.Map.Item.Value.Key"}
    for state in listing["ItemProcessor"]["States"].values():
        for retry in state["Retry"]:
            retry["IntervalSeconds"] = 1
    return {"StartAt": "EmbedListing", "States": {"EmbedListing": listing}}


def execute(steps: StepFunctions, definition: dict[str, Any]) -> dict[str, Any]:
    client = steps.client("stepfunctions")
    arn = client.create_state_machine(
        name=f"backfill-{time.monotonic_ns()}", definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
    for _ in range(600):
        answer: dict[str, Any] = client.describe_execution(executionArn=execution)
        if answer["status"] in ENDED:
            return answer
        time.sleep(0.2)
    raise AssertionError("the execution does not end")


def test_backfill_embeds_what_the_listing_names_and_retries_what_failed(
    steps: StepFunctions, backfill: Bench, root: Path
) -> None:
    failing = ["a b+c/3 ü.jpg", "a b+c/7 ü.jpg"]
    invoked: list[str] = []

    def function(event: dict[str, Any]) -> Any:
        invoked.append(event["key"])
        if event["key"] in failing:
            failing.remove(event["key"])
            raise TransientFailure("SlowDown", "S3 answered 503")
        return backfill.invoke(event)

    steps.function = function
    answer = execute(steps, machine(root))
    assert answer["status"] == "SUCCEEDED", answer.get("cause")
    assert {item["status"] for item in json.loads(answer["output"])} == {"written"}
    assert len(invoked) == 12 + 2
    backfill.assert_each_object_has_its_one_right_result()
