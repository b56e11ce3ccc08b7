"""What Lambda's event source mapping does between a queue and a function.

It receives a batch, invokes, deletes what the answer does not name, and gives the rest back. An
exception gives back the whole batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[[dict[str, Any]], Any]
BATCH = 10  # the most that one receive gives


@dataclass(frozen=True)
class QueueMapping:
    """One queue of `sqs` (a boto3 client), polled by one caller at a time or by several."""

    sqs: Any
    url: str
    function: Function

    def deliver(self) -> int:
        """One batch; the number of messages in it."""
        messages = self.receive()
        if messages:
            self.settle(messages, self.failed(messages))
        return len(messages)

    def receive(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=BATCH, AttributeNames=["All"]
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def failed(self, messages: list[dict[str, Any]]) -> set[str]:
        """Ids of the messages that have to come again."""
        try:
            answer = self.function({"Records": [record_of(message) for message in messages]})
            return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        except Exception:
            return {message["MessageId"] for message in messages}

    def settle(self, messages: list[dict[str, Any]], failed: set[str]) -> None:
        """Delete what is done, and make the rest visible at once."""
        entries = [
            {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]}
            for message in messages
        ]
        done = [entry for entry in entries if entry["Id"] not in failed]
        again = [{**entry, "VisibilityTimeout": 0} for entry in entries if entry["Id"] in failed]
        if done:
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=done)
        if again:
            self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=again)


def record_of(message: dict[str, Any]) -> dict[str, Any]:
    """A message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:pictures",
        "awsRegion": "us-east-1",
    }
