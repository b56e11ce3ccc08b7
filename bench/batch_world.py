"""The environment of a function that embeds a bucket: Ceph as S3, moto as SQS, and faults.

Ceph's notification of a new object is what S3's would be; a listener puts it into the queue, as S3
does, and some of them twice or three times, as S3 may.
"""

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from fixtures.servers import connection, fault_proxy, listener, moto_server, radosgw
from fixtures.servers.fault_proxy import Fault, FaultProxy
from fixtures.servers.radosgw import Account, RadosGateway, ServerUnavailableError
from handler.settings import Settings

INPUT, OUTPUT, PREFIX = "photos-in", "faces-out", "results"
# Receives before a message is dead-lettered; random faults must stay below it.
RECEIVES = 25


@dataclass
class World:
    """Two buckets, a queue with dead letters, and a proxy between them and the function."""

    gateway: RadosGateway
    account: Account
    proxy: FaultProxy
    s3: Any
    sqs: Any
    queue: str
    dead: str
    counts: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(4))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, notification: Any) -> None:
        """Sends a notification to the queue: mostly once, sometimes two or three times."""
        with self.lock:
            times = self.dice.choices((1, 2, 3), (0.75, 0.2, 0.05))[0]
            self.counts["notifications"] += 1
            self.counts["messages"] += times
        body = json.dumps(notification)
        entries = [{"Id": str(number), "MessageBody": body} for number in range(times)]
        self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def count_waiting(self) -> int:
        """Messages that are in the queue or being processed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())

    def count_dead_letters(self) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=[name])
        return int(answer["Attributes"][name])


@contextmanager
def build() -> Iterator[World]:
    """Everything started and connected; the function's S3 client goes through the proxy.

    Exits with one line where Ceph or moto is not here.
    """
    with ExitStack() as stack:
        try:
            gateway = stack.enter_context(radosgw.running())
            moto = stack.enter_context(moto_server.running())
        except ServerUnavailableError as reason:
            raise SystemExit(f"{reason}; `make bench BENCH=...` installs moto, apt Ceph") from None
        proxy = stack.enter_context(fault_proxy.running(gateway.port))
        account = gateway.create_account("bench")
        s3, sqs = gateway.client(account), moto.client("sqs")
        for bucket in (INPUT, OUTPUT):
            s3.create_bucket(Bucket=bucket)
        world = World(gateway, account, proxy, s3, sqs, *make_queues(sqs))
        endpoint = stack.enter_context(listener.running(world.send))
        notify(world, endpoint)
        connection.use(proxy.url, account)
        yield world


def make_queues(sqs: Any) -> tuple[str, str]:
    """URLs of the queue and of its dead letters."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": str(RECEIVES)}
    attributes = {"VisibilityTimeout": "120", "RedrivePolicy": json.dumps(redrive)}
    return sqs.create_queue(QueueName="pictures", Attributes=attributes)["QueueUrl"], dead


def notify(world: World, endpoint: str) -> None:
    """Let Ceph tell `endpoint` about every new object."""
    topics = world.gateway.client(world.account, "sns")
    topic = topics.create_topic(Name="new", Attributes={"push-endpoint": endpoint})["TopicArn"]
    configuration = {"Id": "new", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    world.s3.put_bucket_notification_configuration(
        Bucket=INPUT, NotificationConfiguration={"TopicConfigurations": [configuration]}
    )


def frequent_faults() -> list[Fault]:
    """Failures of S3, at rates far above any that S3 has."""
    return [
        Fault("unavailable", "GET", times=1e9, share=0.10),
        Fault("cut", "GET", times=1e9, share=0.05),
        Fault("lost-answer", "GET", times=1e9, share=0.02),
        Fault("unavailable", "PUT", times=1e9, share=0.10),
        Fault("lost-answer", "PUT", times=1e9, share=0.05),
    ]


def function_settings() -> Settings:
    """The function as it is deployed, with the buckets of this world."""
    return Settings.from_environment(
        {
            **os.environ,
            "FACENET_THREADS": "1",
            "FACENET_INPUT_BUCKETS": INPUT,
            "FACENET_OUTPUT": f"s3://{OUTPUT}/{PREFIX}",
        }
    )
