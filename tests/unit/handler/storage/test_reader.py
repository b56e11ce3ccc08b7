"""S3 is read only where allowed, never past the limit, and its failures get our codes."""

import http.server
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from urllib3.exceptions import ProtocolError

from handler.errors import ApiError
from handler.invocation import Invocation
from handler.settings import Limits, Settings
from handler.storage import clients
from handler.storage.reader import ObjectReader
from handler.storage.types import ObjectReference

SETTINGS = Settings(input_buckets=frozenset({"photos"}), limits=Limits(image_bytes=10))
REFERENCE = ObjectReference("photos", "a b+c/é.jpg")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client("s3", region_name="eu-west-1", config=config)
    monkeypatch.setattr(clients, "client", lambda: client)
    with Stubber(client) as stubber:
        yield stubber
    stubber.assert_no_pending_responses()


def found(data: bytes, announced: int | None = None) -> dict[str, Any]:
    length = len(data) if announced is None else announced
    body = StreamingBody(io.BytesIO(data), len(data))
    return {"Body": body, "ContentLength": length, "ETag": '"abc"', "VersionId": "v1"}


def read(
    settings: Settings = SETTINGS,
    reference: ObjectReference = REFERENCE,
    invocation: Invocation | None = None,
) -> bytes:
    require_time = partial((invocation or Invocation()).require_time, 500)
    return ObjectReader(settings).read(reference, require_time)


def refusal(settings: Settings = SETTINGS, reference: ObjectReference = REFERENCE) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(settings, reference)
    return caught.value


def test_key_that_is_no_unicode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(signature_version=UNSIGNED)
    client = boto3.client("s3", region_name="eu-west-1", config=config)
    monkeypatch.setattr(clients, "client", lambda: client)  # nothing is sent: the URL fails first
    error = refusal(reference=ObjectReference("photos", "\ud800.jpg"))
    assert error.code == "InvalidRequest"


def test_an_object_is_read_whole(s3: Stubber) -> None:
    s3.add_response("get_object", found(b"12345"), {"Bucket": "photos", "Key": REFERENCE.key})
    assert read() == b"12345"


def test_version_and_owner_are_asked_for(s3: Stubber) -> None:
    asked = {
        "Bucket": "photos",
        "Key": "k",
        "VersionId": "v1",
        "ExpectedBucketOwner": "123456789012",
    }
    s3.add_response("get_object", found(b"1"), asked)
    settings = replace(SETTINGS, bucket_owner="123456789012")
    assert read(settings, ObjectReference("photos", "k", "v1")) == b"1"


@pytest.mark.parametrize("allowed", [frozenset(), frozenset({"other", "photo"})])
def test_another_bucket_is_refused_without_asking_s3(s3: Stubber, allowed: frozenset[str]) -> None:
    assert refusal(Settings(input_buckets=allowed)).code == "BucketNotAllowed"


def test_a_large_object_is_refused_before_it_is_read(s3: Stubber) -> None:
    response = found(b"x" * 11)
    s3.add_response("get_object", response)
    assert refusal().code == "PayloadTooLarge"
    assert response["Body"]._raw_stream.closed


def test_a_body_that_breaks_off_may_be_tried_again(s3: Stubber) -> None:
    s3.add_response("get_object", found(b"123", announced=5))
    error = refusal()
    assert (error.code, error.retryable) == ("StorageUnavailable", True)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, "ObjectNotFound"),
        ("NoSuchBucket", 404, "ObjectNotFound"),
        ("NoSuchVersion", 404, "ObjectNotFound"),
        ("PreconditionFailed", 412, "ObjectNotFound"),
        ("MethodNotAllowed", 405, "ObjectNotFound"),
        ("InvalidObjectState", 403, "ObjectNotFound"),
        ("AccessDenied", 403, "BucketNotAllowed"),
        ("KMS.DisabledException", 400, "BucketNotAllowed"),
        ("KMS.ThrottlingException", 400, "StorageUnavailable"),
        ("InvalidToken", 400, "StorageUnavailable"),
        ("AuthorizationHeaderMalformed", 400, "StorageUnavailable"),
        ("InvalidArgument", 400, "InvalidRequest"),
        ("SlowDown", 503, "StorageUnavailable"),
        ("InternalError", 500, "StorageUnavailable"),
        ("TooManyRequests", 429, "StorageUnavailable"),
        ("RequestTimeTooSkewed", 403, "StorageUnavailable"),
        ("RequestTimeout", 400, "StorageUnavailable"),
        ("MovedPermanently", 301, "StorageUnavailable"),
    ],
)
def test_errors_of_s3_have_our_codes(s3: Stubber, code: str, status: int, expected: str) -> None:
    s3.add_client_error("get_object", code, "secret text", status)
    error, no_bucket = refusal(), code == "NoSuchBucket"
    assert error.code == expected
    assert error.retryable is (expected == "StorageUnavailable")
    assert error.can_wait is (expected in ("StorageUnavailable", "BucketNotAllowed") or no_bucket)
    assert "secret" not in error.message
    assert REFERENCE.key not in str(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct "
            "parameters must be provided to retrieve the object.",
        ),
        (
            "InvalidArgument",
            "Requests specifying Server Side Encryption with Customer provided keys must "
            "provide an appropriate secret key.",
        ),
    ],
)
def test_an_object_with_a_key_of_its_owner_is_named_for_what_it_is(
    s3: Stubber, code: str, text: str
) -> None:
    s3.add_client_error("get_object", code, text, 400)
    error = refusal()
    assert error.code == "InvalidRequest"
    assert "SSE-C" in error.message
    assert "key or version" not in error.message


def test_a_connection_that_breaks_may_be_tried_again(s3: Stubber) -> None:
    class Broken:
        closed = False

        def read(self, _amount: int) -> bytes:
            raise ProtocolError("reset by photos.example")

        def close(self) -> None:
            self.closed = True

    raw = Broken()
    s3.add_response("get_object", {**found(b"123"), "Body": StreamingBody(raw, 3)})
    error = refusal()
    assert (error.code, error.retryable) == ("StorageUnavailable", True)
    assert raw.closed


def test_a_slow_body_ends_in_a_timeout_while_there_is_time_to_say_so(s3: Stubber) -> None:
    s3.add_response("get_object", found(b"12345"))
    remaining = iter([30_000, 400])
    invocation = Invocation(SimpleNamespace(get_remaining_time_in_millis=lambda: next(remaining)))
    with pytest.raises(ApiError) as caught:
        read(invocation=invocation)
    assert caught.value.code == "Timeout"


def test_a_timeout_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def get_object(self, **_: Any) -> None:
            raise ReadTimeoutError(endpoint_url="https://photos.example")

    monkeypatch.setattr(clients, "client", Slow)
    error = refusal()
    assert (error.code, error.retryable) == ("StorageUnavailable", True)
    assert "photos.example" not in str(error)


class OddlyHeaded(http.server.BaseHTTPRequestHandler):
    """S3 as a proxy may garble it: urllib3 warns of such headers, with the URL in the warning."""

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")

    def log_message(self, *_: Any) -> None:
        """Nothing is to be said of requests."""


def test_libraries_log_no_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OddlyHeaded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        clients.client.cache_clear()
        with caplog.at_level(logging.DEBUG):
            assert refusal().code == "StorageUnavailable"
        clients.client.cache_clear()
        server.shutdown()
    assert not [line for line in caplog.messages if "photos" in line]
