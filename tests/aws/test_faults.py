"""Deliveries that come twice, stop half-way or meet a failing S3: one right result each, always."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest

from fixtures.servers.fault_proxy import Fault, FaultProxy
from handler.storage.store import S3Store
from tests.aws import events, stand_in
from tests.aws.conftest import Bench

KILLED = 137


def ten(bench: Bench) -> tuple[list[str], events.Event]:
    """Ten pictures and the batch of messages about them."""
    keys = [f"{number} + ü.jpg" for number in range(10)]
    for key in keys:
        bench.put(key)
    return keys, events.queue(*(events.notification(bench.inputs, key) for key in keys))


def deliver_until_done(bench: Bench, event: events.Event, turns: int = 5) -> int:
    """What a queue does; the number of deliveries that it took."""
    for turn in range(1, turns + 1):
        event = events.remaining(event, bench.invoke(event))
        if not event["Records"]:
            return turn
    raise AssertionError(f"not done after {turns} deliveries")


def test_three_deliveries_leave_what_the_first_one_wrote(bench: Bench) -> None:
    _, event = ten(bench)
    assert events.failures(bench.invoke(event)) == []
    rows = bench.s3.list_objects_v2(Bucket=bench.outputs)["Contents"]
    written = {row["Key"]: (row["ETag"], row["LastModified"]) for row in rows}
    for _ in range(2):
        assert events.failures(bench.invoke(event)) == []
    rows = bench.s3.list_objects_v2(Bucket=bench.outputs)["Contents"]
    assert {row["Key"]: (row["ETag"], row["LastModified"]) for row in rows} == written
    bench.assert_each_object_has_its_one_right_result()


def test_deliveries_at_the_same_time_agree(bench: Bench) -> None:
    _, event = ten(bench)
    together = threading.Barrier(3)
    bench.service = stand_in.StandIn(bench.service.settings, before=lambda _: meet(together))
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: bench.invoke(event), range(3)))
    assert [events.failures(answer) for answer in answers] == [[], [], []]
    bench.assert_each_object_has_its_one_right_result()


def meet(barrier: threading.Barrier) -> None:
    """The first groups of all invocations wait for each other, so that their writes collide."""
    with suppress(threading.BrokenBarrierError):
        barrier.wait(timeout=10)
        barrier.abort()


@pytest.mark.parametrize("written_before", [0, 4])
def test_crash_between_embedding_and_writing_loses_nothing(
    bench: Bench, written_before: int
) -> None:
    _, event = ten(bench)
    crash = multiprocessing.get_context("fork").Process(
        target=invoke_and_die, args=(bench, event, written_before)
    )
    crash.start()
    crash.join(timeout=60)
    assert crash.exitcode == KILLED
    assert len(bench.output_keys()) == written_before
    assert events.failures(bench.invoke(event)) == []
    bench.assert_each_object_has_its_one_right_result()


def invoke_and_die(bench: Bench, event: events.Event, written_before: int) -> None:
    """Stop, as an out-of-memory kill does, when so many results have been written."""
    put, lock, written = S3Store.put_new, threading.Lock(), [0]

    def die(self: S3Store, key: str, body: bytes) -> bool:
        with lock:
            if written[0] >= written_before:
                os._exit(KILLED)
            done = put(self, key, body)
            written[0] += 1
            return done

    S3Store.put_new = die  # type: ignore[method-assign]
    bench.invoke(event)


def test_short_outage_is_bridged_within_one_invocation(bench: Bench, proxy: FaultProxy) -> None:
    bench.put("a.jpg")
    proxy.faults = [Fault("unavailable", "GET"), Fault("unavailable", "PUT")]
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert events.failures(bench.invoke(event)) == []
    assert proxy.counts["unavailable"] == 2
    bench.assert_each_object_has_its_one_right_result()


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_outage_of_one_object_brings_its_message_again_and_no_other(
    bench: Bench, proxy: FaultProxy, method: str
) -> None:
    keys, event = ten(bench)
    proxy.faults = [Fault("unavailable", method, part=keys[6], times=3)]
    answer = bench.invoke(event)
    assert events.failures(answer) == [event["Records"][6]["messageId"]]
    assert len(bench.output_keys()) == 9
    assert events.failures(bench.invoke(events.remaining(event, answer))) == []
    bench.assert_each_object_has_its_one_right_result()


@pytest.mark.parametrize(
    ("source", "expected"),
    [("s3_batch", "TemporaryFailure"), ("item_batch", "TransientFailure")],
)
def test_outage_is_reported_in_the_form_of_each_source(
    bench: Bench, proxy: FaultProxy, source: str, expected: str
) -> None:
    bench.put("a.jpg")
    proxy.faults = [Fault("unavailable", "GET", times=3)]
    try:
        answer = bench.invoke(getattr(events, source)(bench.inputs, "a.jpg"))
        told = answer["results"][0]["resultCode"]
    except Exception as failure:  # Lambda reports the name of the class as errorType
        told = type(failure).__name__
    assert told == expected
    assert bench.output_keys() == []
    bench.invoke(getattr(events, source)(bench.inputs, "a.jpg"))
    bench.assert_each_object_has_its_one_right_result()


@pytest.mark.parametrize("times", [1, 3])
def test_download_that_is_cut_short_is_never_mistaken_for_the_picture(
    bench: Bench, proxy: FaultProxy, times: int
) -> None:
    bench.put("a.jpg", b"x" * 100_000)
    proxy.faults = [Fault("cut", "GET", times=times)]
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert deliver_until_done(bench, event) == times + 1
    bench.assert_each_object_has_its_one_right_result()


def test_result_whose_receipt_is_lost_is_written_once(bench: Bench, proxy: FaultProxy) -> None:
    bench.put("a.jpg")
    proxy.faults = [Fault("lost-answer", "PUT")]
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert events.failures(bench.invoke(event)) == []
    assert proxy.counts["PUT"] == 2
    bench.assert_each_object_has_its_one_right_result()


def test_one_poison_object_among_ten_fails_alone_for_ever(bench: Bench) -> None:
    _, event = ten(bench)
    bench.put("3 + ü.jpg", stand_in.POISON)
    poisoned = [event["Records"][3]["messageId"]]
    for _ in range(3):
        answer = bench.invoke(event)
        assert events.failures(answer) == poisoned
        event = events.remaining(event, answer)
    del bench.put_bytes["3 + ü.jpg"]
    bench.assert_each_object_has_its_one_right_result()


def test_rejected_picture_is_written_down_once_and_not_retried(bench: Bench) -> None:
    bench.put("empty.jpg", stand_in.NO_FACE)
    event = events.queue(events.notification(bench.inputs, "empty.jpg"))
    for _ in range(2):
        assert events.failures(bench.invoke(event)) == []
    (document,) = bench.results()["empty.jpg"]
    assert document["error"]["code"] == "FaceNotFound"


def test_object_replaced_between_notification_and_read(bench: Bench) -> None:
    bench.put("a.jpg", b"old")
    told_of_old = events.queue(events.notification(bench.inputs, "a.jpg"))
    bench.put("a.jpg", b"new")
    told_of_new = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert events.failures(bench.invoke(told_of_old)) == []
    bench.assert_each_object_has_its_one_right_result()
    assert events.failures(bench.invoke(told_of_new)) == []
    bench.assert_each_object_has_its_one_right_result()


def test_object_replaced_between_read_and_write(bench: Bench) -> None:
    bench.put("a.jpg", b"old")
    replace = [lambda: bench.put("a.jpg", b"new")]
    bench.service = stand_in.StandIn(
        bench.service.settings, before=lambda _: replace.pop()() if replace else None
    )
    event = events.queue(events.notification(bench.inputs, "a.jpg"))
    assert events.failures(bench.invoke(event)) == []
    (of_old,) = bench.results()["a.jpg"]
    bench.assert_right(of_old, b"old")  # under the old ETag, which is what was read
    assert events.failures(bench.invoke(event)) == []
    both = bench.results()["a.jpg"]
    assert len({document["object"]["etag"] for document in both}) == len(both) == 2


def test_out_of_time_brings_back_what_is_not_done(bench: Bench, proxy: FaultProxy) -> None:
    _, event = ten(bench)
    proxy.latency = 0.2
    hurried = SimpleNamespace(get_remaining_time_in_millis=lambda: 100, aws_request_id="r")
    answer = bench.invoke(event, hurried)
    assert len(events.failures(answer)) == 10
    proxy.latency = 0.0
    deliver_until_done(bench, event)
    bench.assert_each_object_has_its_one_right_result()


def test_a_storm_of_faults_ends_with_every_object_done(bench: Bench, proxy: FaultProxy) -> None:
    _, event = ten(bench)
    proxy.faults = [
        Fault("unavailable", "GET", times=1000, share=0.5),
        Fault("cut", "GET", times=1000, share=0.3),
        Fault("unavailable", "PUT", times=1000, share=0.4),
        Fault("lost-answer", "PUT", times=1000, share=0.4),
    ]
    deliver_until_done(bench, event, turns=30)
    bench.assert_each_object_has_its_one_right_result()
