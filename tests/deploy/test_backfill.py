"""What a bucket holds already: 200 objects by listing, some by inventory; failures in writing."""

import csv
import gzip
import io
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.deploy.emulator import until
from tests.deploy.report import REPORT
from tests.deploy.workload import PICTURES, Workload

OBJECTS = 200
BATCH = 5  # MaxItemsPerBatch of statemachine/backfill.asl.json
SECONDS = 240
PREFIX = "bulk/"


@pytest.fixture(scope="module")
def full(batch: Workload) -> Iterator[Workload]:
    """The input bucket with 200 objects and nothing else, of which no event was told."""
    empty(batch, batch.inputs)
    batch.stack.emulator.client("s3").put_bucket_notification_configuration(
        Bucket=batch.inputs, NotificationConfiguration={}
    )
    body = (PICTURES / "grace_hopper_face.jpg").read_bytes()
    for number in range(OBJECTS):
        batch.s3.put_object(Bucket=batch.inputs, Key=f"{PREFIX}a b+{number}.jpg", Body=body)
    yield batch
    batch.stack.emulator.client("s3").put_bucket_notification_configuration(
        Bucket=batch.inputs, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    empty(batch, batch.inputs)


@pytest.fixture(autouse=True)
def no_results(batch: Workload) -> None:
    empty(batch, batch.outputs)


def empty(batch: Workload, bucket: str) -> None:
    pages = batch.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for row in [row for page in pages for row in page.get("Contents", [])]:
        batch.s3.delete_object(Bucket=bucket, Key=row["Key"])


def run(batch: Workload, request: Any) -> dict[str, Any]:
    """One execution to its end; its map run."""
    client = batch.stack.emulator.client("stepfunctions")
    machine = batch.stack.outputs["BackfillArn"]
    execution = client.start_execution(stateMachineArn=machine, input=json.dumps(request))
    arn = execution["executionArn"]
    until(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING", SECONDS)
    runs = client.list_map_runs(executionArn=arn)["mapRuns"]
    return client.describe_map_run(mapRunArn=runs[0]["mapRunArn"]) if runs else {}


def written(batch: Workload, status: str) -> list[dict[str, Any]]:
    """The rows that the ResultWriter left below _backfill/."""
    names = [key for key in batch.keys("_backfill/") if key.endswith(f"/{status}_0.json")]
    return [row for key in names for row in batch.read(key)]


def results(batch: Workload) -> list[str]:
    return batch.keys(f"{batch.prefix}/{batch.inputs}/{PREFIX}")


def test_a_listing_of_200_objects_is_embedded_in_batches(full: Workload) -> None:
    started = time.monotonic()
    counts = run(full, {})["itemCounts"]
    assert len(results(full)) == OBJECTS
    rows = written(full, "SUCCEEDED")
    assert len(rows) == OBJECTS / BATCH == counts["succeeded"]
    assert {len(json.loads(row["Input"])["Items"]) for row in rows} == {BATCH}
    statuses = [each["status"] for row in rows for each in json.loads(row["Output"])["results"]]
    assert statuses == ["written"] * OBJECTS
    assert any(key.endswith("/manifest.json") for key in full.keys("_backfill/"))
    seconds = time.monotonic() - started
    REPORT.calls.append(
        f"back-fill by listing: {OBJECTS} objects, {len(rows)} batches, {seconds:.0f} s"
    )


def test_an_inventory_manifest_is_embedded(full: Workload) -> None:
    chosen = [f"{PREFIX}a b+{number}.jpg" for number in range(0, 40, 2)]
    run(full, {"inventory": {"bucket": full.outputs, "key": put_inventory(full, chosen)}})
    embedded = sorted(full.read(key)["object"]["key"] for key in results(full))
    assert embedded == sorted(chosen)
    REPORT.calls.append(f"back-fill by inventory: {len(chosen)} encoded keys")


def test_a_batch_that_fails_is_named_and_stops_nothing(full: Workload) -> None:
    """The whole batch is counted as failed; its other objects have results all the same."""
    ghost = "no-such-bucket-of-ours"
    rows = [(full.inputs, f"{PREFIX}a b+{number}.jpg") for number in range(7)]
    rows.insert(2, (ghost, "x.jpg"))
    run(full, {"inventory": {"bucket": full.outputs, "key": put_rows(full, rows)}})
    (failure,) = written(full, "FAILED")
    assert failure["Error"] == "TransientFailure"
    assert ghost in failure["Input"]
    assert len(results(full)) == 7
    assert len(written(full, "SUCCEEDED")) == 1
    REPORT.calls.append("back-fill with one bad row: FAILED_0.json names its batch, 7 of 7 written")


def put_inventory(batch: Workload, keys: list[str]) -> str:
    return put_rows(batch, [(batch.inputs, key) for key in keys])


def put_rows(batch: Workload, rows: list[tuple[str, str]]) -> str:
    """A copied inventory in CSV below _inventory/, keys encoded as S3 encodes them."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
        (bucket, quote_plus(key, safe="/")) for bucket, key in rows
    )
    data = "_inventory/data/list.csv.gz"
    manifest = {
        "sourceBucket": batch.inputs,
        "destinationBucket": f"arn:aws:s3:::{batch.outputs}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [{"key": data}],
    }
    packed = gzip.compress(text.getvalue().encode())
    batch.s3.put_object(Bucket=batch.outputs, Key=data, Body=packed)
    body = json.dumps(manifest).encode()
    batch.s3.put_object(Bucket=batch.outputs, Key="_inventory/manifest.json", Body=body)
    return "_inventory/manifest.json"
