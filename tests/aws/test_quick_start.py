"""The README's quick start for a bucket, on Ceph's S3 with the real function behind it.

What AWS does in between (EventBridge, SQS) is one hop here: Ceph tells of each new object, and its
word goes to the function as a message of a queue, through Lambda's own runtime loop.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fixtures.runtime_stub import RuntimeStub
from fixtures.servers import listener
from fixtures.servers.radosgw import Account, RadosGateway
from tests.aws import events
from tests.aws.test_notifications import notify
from tests.quick_starts import run_block

Buckets = tuple[object, str, str]


@pytest.fixture
def environment(gateway: RadosGateway, account: Account) -> dict[str, str]:
    """What stands for a reader's AWS profile."""
    return {
        "AWS_ENDPOINT_URL_S3": gateway.url,
        "AWS_ACCESS_KEY_ID": account.access_key,
        "AWS_SECRET_ACCESS_KEY": account.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture
def deployed(
    gateway: RadosGateway, account: Account, buckets: Buckets, environment: dict[str, str]
) -> Iterator[list[object]]:
    """The function at work on the input bucket; gives what it answered so far."""
    s3, inputs, outputs = buckets
    output = {"FACENET_INPUT_BUCKETS": inputs, "FACENET_OUTPUT": f"s3://{outputs}/embeddings"}
    answers: list[object] = []
    with RuntimeStub(settings={**environment, **output}) as function:
        function.wait_until_ready()

        def deliver(notification: object) -> None:
            answers.append(function.invoke(events.queue(notification)).payload)

        with listener.running(deliver) as endpoint:
            notify(gateway, account, s3, inputs, endpoint)
            yield answers


def test_bucket_of_photographs_becomes_a_table_of_faces(
    buckets: Buckets,
    deployed: list[object],
    environment: dict[str, str],
    root: Path,
    tmp_path: Path,
) -> None:
    _, inputs, outputs = buckets
    run_block(root, tmp_path, "bucket", {"INPUT_BUCKET": inputs}, environment)
    assert deployed == [{"batchItemFailures": []}] * 3  # Ceph's put returns when it has told
    said = run_block(root, tmp_path, "collect", {"OUTPUT_BUCKET": outputs}, environment)
    assert "4 rows of 3 results" in said
    rows = pq.read_table(tmp_path / "faces.parquet").to_pylist()
    assert [(row["key"], row["face"], row["error_code"]) for row in rows] == [
        ("portraits/eileen_collins.jpg", 0, None),
        ("portraits/no_face.jpg", None, "FaceNotFound"),
        ("portraits/two_people.jpg", 0, None),
        ("portraits/two_people.jpg", 1, None),
    ]
    assert all(len(row["embedding"]) >= 128 for row in rows if row["error_code"] is None)
