"""The whole function with nothing around it: S3 is a dictionary, the log is looked through."""

import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

import align
from handler import app
from handler.cold_start import load
from handler.environment import Location
from handler.errors import STATUSES, ApiError
from handler.faces.service import Service
from handler.settings import Limits, Settings
from handler.storage import clients
from handler.storage.faults import TransientFailure

INPUT = "example-photos"
OUTPUT = "example-results"
PICTURES = Path(__file__).resolve().parent.parent / "events" / "pictures"
# Small, so that one input takes milliseconds; the defaults have their own test.
LIMITS = Limits(images=4, pixels=300_000, image_bytes=1 << 20, faces=4)

# What the function says of what was not foreseen.
BUG = re.compile(r'"code":"InternalError"|"message":"batch failure"')
LONGEST_LINE = 4000
DIGEST = re.compile(r'"[0-9a-f]{64}"')
PACKED = re.compile(r"[A-Za-z0-9+/]{60,}")
# 500 is nowhere among them: it is what InternalError answers with.
STATUSES_ALLOWED = frozenset({200, 204, 304, 308, 405, *STATUSES.values()}) - {500}


class BrokenPromise(AssertionError):  # noqa: N818 - the name says it
    """An answer that the function must never give."""


class Clock:
    """Lambda's context: always the same id and thirty seconds left."""

    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def get_remaining_time_in_millis(self) -> int:
        """Thirty seconds."""
        return 30_000


@dataclass(frozen=True)
class Bucket:
    """As much of a boto3 client as the function uses: what a key holds, its digest decides."""

    pictures: tuple[bytes, ...]

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """One of the pictures, or no such key."""
        digest = hashlib.sha256(Key.encode("utf-8")).digest()
        if digest[0] < 64:
            raise refusal("NoSuchKey", 404, "GetObject")
        data = self.pictures[digest[1] % len(self.pictures)]
        body = StreamingBody(io.BytesIO(data), len(data))
        return {"Body": body, "ContentLength": len(data), "ETag": f'"{len(data)}"'}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Takes any JSON."""
        json.loads(Body)
        Key.encode("utf-8")
        return {}


def refusal(code: str, status: int, operation: str) -> ClientError:
    """An error of S3 as boto3 raises it."""
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, operation)


class Log(io.StringIO):
    """Standard output, read line by line for what must not be in it."""

    def write(self, text: str) -> int:
        """Raises BrokenPromise for a line that tells of a bug or could hold a face.

        Of a bug a queue's answer says nothing: the messages come again.
        """
        if len(text) > LONGEST_LINE:
            raise BrokenPromise("a log line is too long")
        if PACKED.search(DIGEST.sub("", text)):
            raise BrokenPromise("a log line holds something like base64")
        if BUG.search(text):
            raise BrokenPromise("the log tells of a bug")
        return len(text)


def make_service() -> Service:
    """Detector and model as they are bundled, limits for small pictures, both buckets set."""
    settings = Settings.from_environment({"FACENET_THREADS": "1"})
    return load(
        replace(
            settings,
            limits=LIMITS,
            input_buckets=frozenset({INPUT}),
            output=Location(OUTPUT, "faces"),
            page=True,
            cors_origins=frozenset({"https://example.com"}),
            heic=align.can_decode_heic(),
        )
    )


@contextmanager
def fenced() -> Iterator[None]:
    """S3 is the dictionary and standard output the watched log, as long as this lasts."""
    names = ("eileen_collins_second_face", "no_face", "grace_hopper_second_face")
    pictures = tuple((PICTURES / f"{name}.jpg").read_bytes() for name in names)
    bucket = Bucket((*pictures, b"", b"not a picture", pictures[0][:2000]))
    client, output = clients.client, sys.stdout
    clients.client = lambda: bucket  # type: ignore[assignment]
    sys.stdout = Log()
    try:
        yield
    finally:
        clients.client, sys.stdout = client, output


def answer(event: Any, service: Service) -> Any:
    """What the function answers to `event`, or the failure that it raises on purpose.

    Raises BrokenPromise for anything but a typed answer; a crash comes out as it is.
    """
    try:
        given = app.dispatch(event, Clock(), service)
    except (ApiError, TransientFailure) as failure:
        if failure.code == "InternalError":
            raise BrokenPromise("an unforeseen failure") from failure
        return failure
    json.dumps(given, allow_nan=False).encode("utf-8")
    check(given)
    return given


def check(given: Any) -> None:
    """Raises BrokenPromise unless `given` is an answer of one of the known forms."""
    if not isinstance(given, dict):
        raise BrokenPromise(f"an answer of type {type(given).__name__}")
    if "statusCode" in given:
        check_response(given)
    elif "error" in given:
        check_error(given)
    for result in given.get("results", ()):
        if "InternalError" in (result.get("code"), result.get("resultString", "").split(":")[0]):
            raise BrokenPromise("an unforeseen failure inside a batch")


def check_response(given: dict[str, Any]) -> None:
    """Raises BrokenPromise unless the response has a known status and, from 400 on, an error."""
    status = given["statusCode"]
    if status not in STATUSES_ALLOWED:
        raise BrokenPromise(f"status {status}")
    if status >= 400 and given["body"]:
        check_error(json.loads(given["body"]))


def check_error(body: dict[str, Any]) -> None:
    """Raises BrokenPromise unless `body` tells of an error that the caller made."""
    error = body["error"]
    if set(body) != {"error", "request_id"} or error["code"] not in STATUSES:
        raise BrokenPromise("an error of no known form")
    if error["code"] == "InternalError":
        raise BrokenPromise("an unforeseen failure")
