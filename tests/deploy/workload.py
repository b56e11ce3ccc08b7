"""What users do with a deployed stack, and what they find afterwards."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.deploy.emulator import ROOT, until
from tests.deploy.stack import Stack

PICTURES = ROOT / "events/pictures"
SECONDS = 45


@dataclass(frozen=True)
class Workload:
    """Puts pictures and messages into a stack with `Batch=yes`, and reads its results."""

    stack: Stack

    @property
    def s3(self) -> Any:
        return self.stack.emulator.client("s3")

    @property
    def sqs(self) -> Any:
        return self.stack.emulator.client("sqs")

    @property
    def inputs(self) -> str:
        return self.stack.outputs.get("InputBucketName") or self.stack.deployed["InputBucket"]

    @property
    def outputs(self) -> str:
        return self.stack.outputs["OutputBucketName"]

    @property
    def prefix(self) -> str:
        return (self.stack.deployed or {}).get("OutputPrefix", "embeddings")

    def put(self, key: str, picture: str = "grace_hopper.jpg") -> Mapping[str, Any]:
        """Put one of the example pictures into the input bucket."""
        body = (PICTURES / picture).read_bytes()
        answer: Mapping[str, Any] = self.s3.put_object(Bucket=self.inputs, Key=key, Body=body)
        return answer

    def send(self, body: Any) -> str:
        """Put a message into the queue; its id."""
        text = body if isinstance(body, str) else json.dumps(body)
        queue = self.stack.outputs["InputQueueUrl"]
        return str(self.sqs.send_message(QueueUrl=queue, MessageBody=text)["MessageId"])

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of the output bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.outputs, Prefix=prefix
        )
        return [row["Key"] for page in pages for row in page.get("Contents", [])]

    def read(self, key: str) -> Any:
        return json.loads(self.s3.get_object(Bucket=self.outputs, Key=key)["Body"].read())

    def results_of(self, key: str) -> list[str]:
        """Where the results of an object lie."""
        return self.keys(f"{self.prefix}/{self.inputs}/{key}/")

    def result_of(self, key: str, seconds: float = SECONDS) -> Any:
        """The one result of an object, once it is there. Raises TimeoutError."""
        until(lambda: self.results_of(key), seconds)
        (found,) = self.results_of(key)
        return self.read(found)

    def answer_to(self, message_id: str, seconds: float = SECONDS) -> Any:
        """The answer to a request that went through the queue. Raises TimeoutError."""
        key = f"{self.prefix}/_requests/{message_id}.json"
        until(lambda: self.keys(key), seconds)
        return self.read(key)

    def hide_briefly(self, seconds: int = 1) -> None:
        """A message that failed comes again after a second; after minutes in the template."""
        self.sqs.set_queue_attributes(
            QueueUrl=self.stack.outputs["InputQueueUrl"],
            Attributes={"VisibilityTimeout": str(seconds)},
        )

    def waiting(self) -> int:
        """Messages in the queue, hidden ones too."""
        return self._count(self.stack.outputs["InputQueueUrl"])

    def dead(self) -> int:
        """Dead letters."""
        return self._count(self.stack.resources["DeadLetters"])

    def redrive(self) -> None:
        """Send the dead letters back, as docs/batch.md says."""
        outputs = self.stack.outputs
        self.sqs.start_message_move_task(
            SourceArn=outputs["DeadLettersArn"], DestinationArn=outputs["InputQueueArn"]
        )

    def purge(self) -> None:
        for url in (self.stack.outputs["InputQueueUrl"], self.stack.resources["DeadLetters"]):
            self.sqs.purge_queue(QueueUrl=url)

    def _count(self, url: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(found[name]) for name in names)
