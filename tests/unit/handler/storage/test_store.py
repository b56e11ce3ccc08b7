"""What S3 answers, and what we make of it."""

import io
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from handler.storage import store
from handler.storage.faults import ObjectArchived, ObjectGone, TransientFailure
from handler.storage.store import S3Store
from handler.storage.types import ObjectReference

REFERENCE = ObjectReference("photos", "a b+c/ü.jpg")


@pytest.fixture
def stub() -> Stubber:
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    return Stubber(client)


def open_store(stub: Stubber, **options: Any) -> S3Store:
    stub.activate()
    return S3Store(stub.client, "faces", 10, **options)


def answer(data: bytes, announced: int | None = None, **more: str) -> dict[str, Any]:
    size = len(data) if announced is None else announced
    body = StreamingBody(io.BytesIO(data), size)
    return {"Body": body, "ContentLength": size, "ETag": '"read"', **more}


def test_bytes_come_with_the_identity_of_the_same_answer(stub: Stubber) -> None:
    stub.add_response("get_object", answer(b"abc"), {"Bucket": "photos", "Key": "a b+c/ü.jpg"})
    picture = open_store(stub).fetch(REFERENCE)
    assert (picture.data, picture.etag, picture.version_id, picture.size) == (
        b"abc",
        "read",
        None,
        3,
    )


def test_version_and_owner_are_asked_for(stub: Stubber) -> None:
    expected = {
        "Bucket": "photos",
        "Key": "k",
        "VersionId": "v1",
        "ExpectedBucketOwner": "123456789012",
    }
    stub.add_response("get_object", answer(b"abc", VersionId="v1"), expected)
    reader = open_store(stub, bucket_owner="123456789012")
    assert reader.fetch(ObjectReference("photos", "k", "v1")).identity == "v1"


def test_bytes_above_the_limit_are_not_read(stub: Stubber) -> None:
    stub.add_response("get_object", answer(b"x" * 11))
    picture = open_store(stub).fetch(REFERENCE)
    assert (picture.size, picture.data) == (11, b"")


@pytest.mark.parametrize(
    ("code", "status"), [("NoSuchKey", 404), ("NoSuchVersion", 404), ("MethodNotAllowed", 405)]
)
def test_deleted_object_is_gone(stub: Stubber, code: str, status: int) -> None:
    stub.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(ObjectGone):
        open_store(stub).fetch(REFERENCE)


def test_object_with_a_key_of_its_owner_is_said_to_be_encrypted(stub: Stubber) -> None:
    text = "The object was stored using a form of Server Side Encryption."
    stub.add_client_error("get_object", "InvalidRequest", text, http_status_code=400)
    with pytest.raises(TransientFailure, match="SSE-C"):
        open_store(stub).fetch(REFERENCE)


def test_archived_object_is_said_to_be_archived(stub: Stubber) -> None:
    stub.add_client_error("get_object", "InvalidObjectState", http_status_code=403)
    with pytest.raises(ObjectArchived):
        open_store(stub).fetch(REFERENCE)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SlowDown", 503), ("InternalError", 500), ("AccessDenied", 403), ("NoSuchBucket", 404)],
)
def test_anything_else_may_pass(stub: Stubber, code: str, status: int) -> None:
    stub.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(TransientFailure) as caught:
        open_store(stub).fetch(REFERENCE)
    assert caught.value.code == code


def test_cut_connection_may_pass(stub: Stubber) -> None:
    stub.add_response("get_object", answer(b"abc", announced=9))
    with pytest.raises(TransientFailure, match="IncompleteReadError"):
        open_store(stub).fetch(REFERENCE)


def test_connection_that_is_not_made_may_pass() -> None:
    class Unreachable:
        def put_object(self, **arguments: Any) -> None:
            raise ConnectTimeoutError(endpoint_url="http://s3")

    with pytest.raises(TransientFailure, match="ConnectTimeoutError"):
        S3Store(Unreachable(), "faces", 10).put_new("k", b"{}")


# What S3 is asked to write for a result.
NEW_RESULT = {
    "Bucket": "faces",
    "Key": "k",
    "Body": b"{}",
    "ContentType": "application/json",
    "IfNoneMatch": "*",
}


def test_result_is_written_only_where_none_is(stub: Stubber) -> None:
    stub.add_response("put_object", {}, NEW_RESULT)
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    writer = open_store(stub)
    assert writer.put_new("k", b"{}") is True
    assert writer.put_new("k", b"{}") is False


def test_a_result_is_written_to_the_bucket_of_the_expected_owner_only(stub: Stubber) -> None:
    """Another account that made the bucket again under its old name receives nothing."""
    expected = {**NEW_RESULT, "ExpectedBucketOwner": "210987654321"}
    stub.add_client_error("put_object", "AccessDenied", "Access Denied", 403, None, expected)
    with pytest.raises(TransientFailure, match="FACENET_OUTPUT_OWNER") as caught:
        open_store(stub, output_owner="210987654321").put_new("k", b"{}")
    assert caught.value.code == "AccessDenied"


def test_conflict_with_another_writer_is_tried_again(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.time, "sleep", lambda _: None)
    stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    assert open_store(stub).put_new("k", b"{}") is False


def test_lasting_conflict_is_left_to_the_next_delivery(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.time, "sleep", lambda _: None)
    for _ in range(store.CONFLICT_RETRIES):
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    with pytest.raises(TransientFailure, match="ConditionalRequestConflict"):
        open_store(stub).put_new("k", b"{}")
