"""Events as AWS would send them for objects that a test has put somewhere."""

import itertools
import json
from typing import Any
from urllib.parse import quote_plus

Event = dict[str, Any]
numbers = itertools.count(1)


def notification(bucket: str, key: str, version: str | None = None) -> Event:
    """An S3 notification; AWS keeps the slashes of a key and writes a space as `+`."""
    entity: Event = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
    if version:
        entity["object"]["versionId"] = version
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}
    return {"Records": [record]}


def eventbridge(bucket: str, key: str) -> Event:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def s3_batch(bucket: str, *keys: str) -> Event:
    tasks = [
        {"taskId": key, "s3Key": quote_plus(key, safe="/"), "s3Bucket": bucket} for key in keys
    ]
    return {"invocationSchemaVersion": "2.0", "invocationId": "i", "tasks": tasks}


def item_batch(bucket: str, *keys: str) -> Event:
    return {"Items": [{"Key": key} for key in keys], "BatchInput": {"bucket": bucket}}


def sns(message: Event) -> Event:
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(message)}}]}


def queue(*bodies: Event) -> Event:
    """One batch of SQS messages; their ids are new each time."""
    return {
        "Records": [
            {"messageId": f"m{next(numbers)}", "body": json.dumps(body), "eventSource": "aws:sqs"}
            for body in bodies
        ]
    }


def failures(answer: Event) -> list[str]:
    """Ids of the messages that come again."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def remaining(event: Event, answer: Event) -> Event:
    """What the queue delivers next: the messages that were not done."""
    ids = set(failures(answer))
    return {"Records": [record for record in event["Records"] if record["messageId"] in ids]}
