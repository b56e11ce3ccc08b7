"""Pictures sent to the upload bucket by form, and what the function may do there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.deploy.breaking import broken, check_deny, plain
from tests.deploy.permissions import Permission
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.workload import PICTURES

PICTURE = PICTURES / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def uploading(stack: Stack) -> Stack:
    """As the last stage of test_callers.py leaves it."""
    stack.require(FunctionUrl="yes", Uploads="yes")
    return stack


def invoke(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    client, name = stack.emulator.client("lambda"), stack.resources["FacenetFunction"]
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    document: dict[str, Any] = json.loads(answer["Payload"].read())
    return document


def upload(stack: Stack, picture: Path = PICTURE) -> tuple[int, dict[str, Any]]:
    """Asks for a form and sends it; S3's status, and what to call the picture."""
    asked = invoke(stack, {"operation": "uploads", "content_type": "image/jpeg"})
    (form,) = asked["uploads"]
    sent = requests.post(
        form["url"],
        data=form["fields"],
        files={"file": picture.read_bytes()},
        verify=str(stack.emulator.certificate),
        timeout=30,
    )
    return sent.status_code, form["image"]


def detect(stack: Stack, image: dict[str, Any], **more: Any) -> dict[str, Any]:
    return invoke(stack, {"operation": "detect", "images": [image], **more})


def stored(stack: Stack) -> list[str]:
    bucket = stack.resources["UploadStore"]
    found = stack.emulator.client("s3").list_objects_v2(Bucket=bucket)
    return [row["Key"] for row in found.get("Contents", [])]


def test_a_picture_is_sent_asked_about_and_removed(uploading: Stack) -> None:
    status, image = upload(uploading)
    assert status in (200, 201, 204)
    assert image["s3"]["key"] in stored(uploading)
    assert detect(uploading, image, delete=True)["images"][0]["faces"]
    assert image["s3"]["key"] not in stored(uploading)
    REPORT.calls.append("upload by form -> detect -> removed")


def put_needs_it(stack: Stack) -> Callable[[bool], None]:
    def check(allowed: bool) -> None:
        assert (upload(stack)[0] < 300) is allowed

    return check


def read_needs_it(stack: Stack) -> Callable[[bool], None]:
    _status, image = upload(stack)

    def check(allowed: bool) -> None:
        answer = detect(stack, image)
        assert ("images" in answer) is allowed
        assert allowed or answer["error"]["code"] == "BucketNotAllowed"

    return check


def removal_needs_it(stack: Stack) -> Callable[[bool], None]:
    _status, image = upload(stack)

    def check(allowed: bool) -> None:
        assert "images" in detect(stack, image, delete=True)
        assert (image["s3"]["key"] in stored(stack)) is not allowed

    return check


def listing_needs_it(stack: Stack) -> Callable[[bool], None]:
    image = {"s3": {"bucket": stack.resources["UploadStore"], "key": "uploads/gone"}}

    def check(allowed: bool) -> None:
        code = detect(stack, image)["error"]["code"]
        assert code == ("ObjectNotFound" if allowed else "BucketNotAllowed")

    return check


NEEDS = {
    Permission("UseUploads", 0, "s3:PutObject"): (put_needs_it, "S3 refuses the form"),
    Permission("UseUploads", 0, "s3:GetObject"): (read_needs_it, "BucketNotAllowed"),
    Permission("UseUploads", 0, "s3:DeleteObject"): (removal_needs_it, "the picture stays"),
    Permission("UseUploads", 1, "s3:ListBucket"): (listing_needs_it, "a gap is a refusal"),
}


@pytest.mark.parametrize("where", NEEDS, ids=str)
def test_the_function_needs_each_permission_on_uploads(uploading: Stack, where: Permission) -> None:
    make, effect = NEEDS[where]
    check = make(uploading)
    with broken(uploading, where, effect, "as before"):
        check(False)
    check(True)


def test_the_upload_bucket_refuses_plain_http(uploading: Stack) -> None:
    client, bucket = plain(uploading, "s3", "s3:*"), uploading.resources["UploadStore"]
    where = Permission("UploadStorePolicy", 0, "s3:*")
    check_deny(uploading, where, lambda: client.list_objects_v2(Bucket=bucket))


def test_only_the_function_reads_uploads(uploading: Stack) -> None:
    """Others of the account may not, whatever their own policies say."""
    status, image = upload(uploading)
    assert status < 300
    client = plain(uploading, "s3", "s3:*", tls=True)
    where = Permission("UploadStorePolicy", 1, "s3:GetObject")
    place = {"Bucket": image["s3"]["bucket"], "Key": image["s3"]["key"]}
    check_deny(uploading, where, lambda: client.get_object(**place))
