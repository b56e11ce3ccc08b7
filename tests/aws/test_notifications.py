"""Ceph's own bucket notifications, sent to the function and to the runtime emulator around it."""

import queue
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.servers import listener
from fixtures.servers.fault_proxy import FaultProxy
from fixtures.servers.radosgw import Account, RadosGateway, ServerUnavailableError
from tests.aws import events
from tests.aws.conftest import Bench
from tests.aws.servers import emulator
from tests.needs import not_here

KEYS = ("plain.jpg", "a b+c/ü%2B.jpg", "100% 日本.jpg")


def notify(gateway: RadosGateway, account: Account, s3: Any, bucket: str, endpoint: str) -> None:
    """Let every object that is created in `bucket` be told to `endpoint`."""
    topics = gateway.client(account, "sns")
    topic = topics.create_topic(Name=bucket, Attributes={"push-endpoint": endpoint})
    configuration = {"Id": "new", "TopicArn": topic["TopicArn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"TopicConfigurations": [configuration]},
    )


@pytest.fixture
def told(
    gateway: RadosGateway, account: Account, bench: Bench
) -> Iterator["queue.SimpleQueue[Any]"]:
    """The notifications as they arrive."""
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with listener.running(arrived.put) as endpoint:
        notify(gateway, account, bench.s3, bench.inputs, endpoint)
        yield arrived


def test_notification_of_ceph_is_understood_as_it_comes(
    bench: Bench, told: "queue.SimpleQueue[Any]"
) -> None:
    for key in KEYS:
        bench.put(key)
        bench.invoke(told.get(timeout=20))
    bench.assert_each_object_has_its_one_right_result()


def test_notification_in_a_queue_of_versions_is_understood(
    bench: Bench, told: "queue.SimpleQueue[Any]"
) -> None:
    versioning = {"Status": "Enabled"}
    bench.s3.put_bucket_versioning(Bucket=bench.inputs, VersioningConfiguration=versioning)
    versions = {bench.put("a.jpg", data) for data in (b"first", b"second")}
    event = events.queue(told.get(timeout=20), told.get(timeout=20))
    assert events.failures(bench.invoke(event)) == []
    assert {result["object"]["version_id"] for result in bench.results()["a.jpg"]} == versions


def test_notification_posted_to_the_emulator_ends_as_a_result(
    gateway: RadosGateway, account: Account, bench: Bench, proxy: FaultProxy
) -> None:
    environment = {
        "AWS_ENDPOINT_URL_S3": proxy.url,
        "AWS_ACCESS_KEY_ID": account.access_key,
        "AWS_SECRET_ACCESS_KEY": account.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "TEST_INPUT": bench.inputs,
        "TEST_OUTPUT": bench.outputs,
    }
    try:
        with emulator.running("tests.aws.emulated.lambda_handler", environment) as endpoint:
            notify(gateway, account, bench.s3, bench.inputs, endpoint)
            for key in KEYS:  # each put returns when its notification was answered
                bench.put(key)
            bench.assert_each_object_has_its_one_right_result()
    except ServerUnavailableError as reason:
        not_here(str(reason))
