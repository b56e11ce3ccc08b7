"""The function against Ceph's S3: names, versions, limits, refusals and conditional writes."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fixtures.servers import connection
from fixtures.servers.fault_proxy import FaultProxy
from fixtures.servers.radosgw import Account, RadosGateway
from handler.storage.faults import TransientFailure
from handler.storage.store import S3Store
from tests.aws import events, stand_in
from tests.aws.conftest import Bench

KEYS = (
    "plain.jpg",
    "holiday 2026/two  spaces.jpg",
    "a+b.jpg",
    "a%2Bb and 100%.jpg",
    "München/日本/😀.jpg",
    "u\u0308.jpg",  # the same sign as "ü" to the eye, another key to S3
    "ü.jpg",
    "question?mark#hash&amp;.jpg",
    "quote'\"<>.jpg",
    "//double//slashes/",
    "dots/../../up.jpg",
    "x" * 900,
)


@pytest.mark.parametrize("source", ["notification", "eventbridge", "s3_batch", "item_batch"])
def test_every_key_is_read_and_written_as_it_is(bench: Bench, source: str) -> None:
    for key in KEYS:
        bench.put(key)
    for key in KEYS:
        bench.invoke(getattr(events, source)(bench.inputs, key))
    bench.assert_each_object_has_its_one_right_result()
    assert f"out/{bench.inputs}/a+b.jpg/" in " ".join(bench.output_keys())


def test_the_same_object_has_one_result_whichever_way_it_came(bench: Bench) -> None:
    key = "holiday 2026/a+b ü.jpg"
    bench.put(key)
    plain = events.notification(bench.inputs, key)
    bridge = events.eventbridge(bench.inputs, key)
    for event in (
        plain,
        bridge,
        events.sns(plain),
        events.queue(plain, bridge),
        events.s3_batch(bench.inputs, key),
        events.item_batch(bench.inputs, key),
    ):
        bench.invoke(event)
    bench.assert_each_object_has_its_one_right_result()


def test_key_that_leaves_no_room_for_the_result_is_replaced_by_its_digest(bench: Bench) -> None:
    bench.put("ä" * 512)
    bench.invoke(events.notification(bench.inputs, "ä" * 512))
    bench.assert_each_object_has_its_one_right_result()


def test_each_version_has_its_own_right_result(bench: Bench) -> None:
    versioning = {"Status": "Enabled"}
    bench.s3.put_bucket_versioning(Bucket=bench.inputs, VersioningConfiguration=versioning)
    first, second = bench.put("a.jpg", b"first"), bench.put("a.jpg", b"second")
    assert first
    assert second
    bench.invoke(
        events.queue(
            events.notification(bench.inputs, "a.jpg", second),
            events.notification(bench.inputs, "a.jpg", first),
            events.notification(bench.inputs, "a.jpg"),  # the newest: again the second
        )
    )
    by_version = {result["object"]["version_id"]: result for result in bench.results()["a.jpg"]}
    assert set(by_version) == {first, second}
    bench.assert_right(by_version[first], b"first")
    bench.assert_right(by_version[second], b"second")
    assert sorted(bench.output_keys()) == sorted(
        f"out/{bench.inputs}/a.jpg/{version}.{stand_in.CONTRACT}.json"
        for version in (first, second)
    )


@pytest.mark.parametrize("versioned", [False, True])
def test_deleted_object_is_no_failure_and_has_no_result(bench: Bench, versioned: bool) -> None:
    if versioned:
        versioning = {"Status": "Enabled"}
        bench.s3.put_bucket_versioning(Bucket=bench.inputs, VersioningConfiguration=versioning)
    bench.put("a.jpg")
    bench.s3.delete_object(Bucket=bench.inputs, Key="a.jpg")
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert events.failures(bench.invoke(event)) == []
    assert bench.output_keys() == []


def test_too_large_object_is_rejected_in_writing(bench: Bench) -> None:
    bench.put("big.jpg", b"x" * 1_000_001)
    answer = bench.invoke(events.s3_batch(bench.inputs, "big.jpg"))
    assert answer["results"][0]["resultCode"] == "PermanentFailure"
    (document,) = bench.results()["big.jpg"]
    assert document["error"]["code"] == "PayloadTooLarge"
    assert document["object"]["size"] == 1_000_001


def test_wrong_secret_loses_nothing(bench: Bench, proxy: FaultProxy, account: Account) -> None:
    bench.put("a.jpg")
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    connection.use(proxy.url, Account(account.access_key, "wrong"))
    assert events.failures(bench.invoke(event)) == [event["Records"][0]["messageId"]]
    connection.use(proxy.url, account)
    assert events.failures(bench.invoke(event)) == []
    bench.assert_each_object_has_its_one_right_result()


def test_denied_bucket_keeps_its_messages_and_affects_no_others(
    bench: Bench, gateway: RadosGateway, account: Account
) -> None:
    stranger = gateway.create_account(f"stranger-{uuid.uuid4().hex[:6]}")
    theirs = f"private-{uuid.uuid4().hex[:8]}"
    gateway.client(stranger).create_bucket(Bucket=theirs)
    gateway.client(stranger).put_object(Bucket=theirs, Key="a.jpg", Body=b"theirs")
    both = stand_in.settings([bench.inputs, theirs], bench.outputs)
    bench.service = stand_in.StandIn(both)
    bench.put("mine.jpg")
    event = events.queue(
        events.notification(theirs, "a.jpg"), events.notification(bench.inputs, "mine.jpg")
    )
    assert events.failures(bench.invoke(event)) == [event["Records"][0]["messageId"]]
    bench.assert_each_object_has_its_one_right_result()


def test_output_that_may_not_be_written_loses_nothing(
    bench: Bench, gateway: RadosGateway, account: Account
) -> None:
    bench.put("a.jpg")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bench.outputs}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    bench.s3.put_bucket_policy(Bucket=bench.outputs, Policy=policy)
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert len(events.failures(bench.invoke(event))) == 1
    bench.s3.delete_bucket_policy(Bucket=bench.outputs)
    assert events.failures(bench.invoke(event)) == []
    bench.assert_each_object_has_its_one_right_result()


def test_result_is_never_written_over(bench: Bench) -> None:
    store = S3Store(bench.s3, bench.outputs, 1000)
    assert store.put_new("k", b"first") is True
    assert store.put_new("k", b"second") is False
    assert bench.s3.get_object(Bucket=bench.outputs, Key="k")["Body"].read() == b"first"


def test_of_many_writers_at_once_exactly_one_writes(bench: Bench) -> None:
    store = S3Store(bench.s3, bench.outputs, 1000)
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            written = list(
                pool.map(lambda n, key=f"k{turn}": store.put_new(key, b"%d" % n), range(8))
            )
            assert written.count(True) == 1


def test_missing_output_bucket_loses_nothing(bench: Bench) -> None:
    with pytest.raises(TransientFailure, match="NoSuchBucket"):
        S3Store(bench.s3, "no-such-bucket-here", 1000).put_new("k", b"{}")


def test_server_is_as_strict_as_s3(bench: Bench) -> None:
    """Otherwise the tests above would prove little."""

    def put(**more: Any) -> None:
        bench.s3.put_object(Bucket=bench.inputs, Key="k", Body=b"abc", **more)

    with pytest.raises(ClientError, match=r"BadDigest|InvalidDigest"):
        put(ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    put()
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(IfNoneMatch="*")
