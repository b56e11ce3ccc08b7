"""SQS and IAM as moto has them: redelivery, dead letters, requests, and the template's role."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fixtures.servers import connection
from fixtures.servers.moto_server import MotoServer
from fixtures.servers.queue_mapping import QueueMapping
from tests.aws import events, stand_in
from tests.aws.conftest import Bench
from tools.sam_template import read_template

RECEIVES = 3


class Queue:
    """A queue with its dead letters, and the function behind it."""

    def __init__(self, moto: MotoServer, bench: Bench) -> None:
        self.sqs, name = moto.client("sqs"), uuid.uuid4().hex[:8]
        self.dead_url = self.sqs.create_queue(QueueName=f"dead-{name}")["QueueUrl"]
        dead = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": dead["Attributes"]["QueueArn"],
            "maxReceiveCount": str(RECEIVES),
        }
        attributes = {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(redrive)}
        self.url = self.sqs.create_queue(QueueName=f"q-{name}", Attributes=attributes)["QueueUrl"]
        self.mapping = QueueMapping(self.sqs, self.url, bench.invoke)

    def send(self, body: Any) -> str:
        text = body if isinstance(body, str) else json.dumps(body)
        identifier: str = self.sqs.send_message(QueueUrl=self.url, MessageBody=text)["MessageId"]
        return identifier

    def drain(self) -> None:
        """Deliver until nothing comes any more, neither new nor again."""
        for _ in range(100):
            if not self.mapping.deliver() and not self.mapping.deliver():
                return
        raise AssertionError("the queue does not empty")

    def dead(self) -> list[str]:
        """Bodies of the dead letters."""
        bodies: list[str] = []
        while True:
            messages = self.sqs.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10)
            if not messages.get("Messages"):
                return bodies
            bodies += [message["Body"] for message in messages["Messages"]]


@pytest.fixture
def queue(moto: MotoServer, bench: Bench) -> Queue:
    return Queue(moto, bench)


def test_queue_empties_and_only_the_hopeless_end_as_dead_letters(
    bench: Bench, queue: Queue
) -> None:
    for number in range(25):
        bench.put(f"{number} + ü.jpg")
    for key in bench.put_bytes:
        for _ in range(2):  # at least once
            queue.send(events.notification(bench.inputs, key))
    bench.put("poison.jpg", stand_in.POISON)
    hopeless = [json.dumps(events.notification(bench.inputs, "poison.jpg")), "no event at all"]
    for body in hopeless:
        queue.send(body)
    queue.drain()
    assert sorted(queue.dead()) == sorted(hopeless)
    del bench.put_bytes["poison.jpg"]
    bench.assert_each_object_has_its_one_right_result()


def test_dead_letter_is_redriven_after_a_fix(bench: Bench, queue: Queue) -> None:
    bench.put("a.jpg", stand_in.POISON)
    queue.send(events.notification(bench.inputs, "a.jpg"))
    queue.drain()
    (dead,) = queue.dead()
    bench.put("a.jpg", b"mended")
    queue.send(dead)
    queue.drain()
    bench.assert_each_object_has_its_one_right_result()


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("embed", {"operation": "embed"}), ("dance", {"error": "UnknownOperation"})],
)
def test_request_is_answered_once_under_its_message_id(
    bench: Bench, queue: Queue, operation: str, expected: dict[str, str]
) -> None:
    identifier = queue.send({"operation": operation, "images": ["aGVsbG8="]})
    queue.drain()
    assert queue.dead() == []
    key = f"out/_requests/{identifier}.json"
    answer = json.loads(bench.s3.get_object(Bucket=bench.outputs, Key=key)["Body"].read())
    assert answer["request_id"] == identifier
    told = {"error": answer["error"]["code"]} if "error" in answer else answer
    assert expected.items() <= told.items()


def function_policy(root: Path, inputs: str, outputs: str) -> str:
    """What the template lets its function do with S3, on buckets of these names."""
    template = read_template(root / "template.yaml")
    statements = [
        {**statement, "Resource": resource(statement["Resource"], inputs, outputs)}
        for name in ("ReadInput", "WriteOutput")
        for statement in template["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
        if "s3:" in json.dumps(statement["Action"])
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def resource(value: Any, inputs: str, outputs: str) -> str:
    """The ARN that a `!Sub` of the template comes to."""
    content = value["Fn::Sub"]
    text = content[0] if isinstance(content, list) else content
    for name, meant in (
        ("${AWS::StackName}-output-${AWS::AccountId}-${AWS::Region}", outputs),
        ("${AWS::Partition}", "aws"),
        ("${Bucket}", inputs),
        ("${OutputPrefix}", "out"),
    ):
        text = text.replace(name, meant)
    assert "${" not in text
    return str(text)


def test_role_of_the_template_is_enough_and_no_more(
    moto: MotoServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = uuid.uuid4().hex[:8]
    inputs, outputs = f"photos-{name}", f"faces-{name}"
    s3 = moto.client("s3")
    for bucket in (inputs, outputs):
        s3.create_bucket(Bucket=bucket)
    role = moto.create_account(f"function-{name}", function_policy(root, inputs, outputs))
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "")
    connection.use(moto.url, role)
    bench = Bench(
        s3, stand_in.StandIn(stand_in.settings([inputs], outputs)), inputs=inputs, outputs=outputs
    )
    bench.put("a b+c.jpg")
    gone = events.notification(inputs, "gone.jpg")
    event = events.queue(events.notification(inputs, "a b+c.jpg"), gone)
    assert events.failures(bench.invoke(event)) == []
    assert events.failures(bench.invoke(event)) == []
    bench.assert_each_object_has_its_one_right_result()

    mine = moto.client("s3", role)
    for forbidden in (
        lambda: mine.delete_object(Bucket=inputs, Key="a b+c.jpg"),
        lambda: mine.put_object(Bucket=inputs, Key="new.jpg", Body=b""),
        lambda: mine.put_object(Bucket=outputs, Key="elsewhere/x.json", Body=b""),
        lambda: mine.get_object(Bucket=outputs, Key=bench.output_keys()[0]),
        lambda: mine.create_bucket(Bucket=f"other-{name}"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            forbidden()
