"""Two photographs of 6 MB, one of them HEIC, go through the deployed upload bucket."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests import phone_pictures
from tests.deploy.callers import Endpoint, User, make_user
from tests.deploy.emulator import ROOT, Emulator, policy
from tests.deploy.permissions import Permission
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.test_permissions import broken, check_deny, plain, refuses
from tests.needs import not_here

Json = dict[str, Any]


@dataclass(frozen=True)
class Uploads:
    """The stack with `Uploads=yes`, called by a user who may call it and nothing else."""

    stack: Stack
    endpoint: Endpoint
    user: User

    def post(self, path: str, body: Json) -> Json:
        answer = self.endpoint.signed(
            self.user.credentials, "POST", path, json.dumps(body).encode()
        )
        document: Json = json.loads(answer.body)
        assert answer.status == 200, document
        return document

    def refusal(self, path: str, body: Json) -> str:
        """The code of an error."""
        answer = self.endpoint.signed(
            self.user.credentials, "POST", path, json.dumps(body).encode()
        )
        return str(json.loads(answer.body)["error"]["code"])

    @property
    def bucket(self) -> str:
        return self.stack.outputs["UploadBucketName"]

    def form(self, content_type: str) -> Json:
        form: Json = self.post("/v1/uploads", {"content_type": content_type})["uploads"][0]
        return form

    def send(self, form: Mapping[str, Any], data: bytes, **changes: str) -> int:
        """The status with which S3 takes, or refuses, a form."""
        certificate = str(self.endpoint.emulator.certificate)
        fields = {**form["fields"], **changes}
        answer = requests.post(
            form["url"], data=fields, files={"file": data}, verify=certificate, timeout=60
        )
        return answer.status_code

    def held(self) -> list[str]:
        s3 = self.endpoint.emulator.client("s3")
        rows = s3.list_objects_v2(Bucket=self.bucket)
        return [row["Key"] for row in rows.get("Contents", [])]


@pytest.fixture(scope="module")
def uploads(emulator: Emulator, stack: Stack) -> Uploads:
    reason = phone_pictures.missing()
    if reason:
        not_here(reason)
    stack.require(Uploads="yes", Heic="yes")
    user = make_user(emulator, f"sender-{uuid.uuid4().hex[:6]}")
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    emulator.client("iam").put_user_policy(
        UserName=user.name, PolicyName="call", PolicyDocument=policy(statement)
    )
    return Uploads(stack, Endpoint(emulator, stack.outputs["ApiUrl"]), user)


def test_two_photographs_of_six_megabytes_are_compared_and_gone(uploads: Uploads) -> None:
    forms = [uploads.form("image/jpeg"), uploads.form("image/heic")]
    pictures = [phone_pictures.jpeg(), phone_pictures.heic()]
    for form, picture in zip(forms, pictures, strict=True):
        assert len(picture) > phone_pictures.MEGABYTES * 1_000_000
        assert uploads.send(form, picture) in (200, 204)
    images = [form["image"] for form in forms]
    answer = uploads.post("/v1/compare", {"images": images, "delete": True})
    assert answer["same"] is True
    assert [image["width"] for image in answer["images"]] == [3000, 2600]
    assert uploads.held() == []
    REPORT.calls.append("two photographs of 6 MB, JPEG and HEIC, through POST /v1/uploads: same")


def test_what_a_form_does_not_allow_is_refused(uploads: Uploads) -> None:
    before = uploads.held()
    mine, other = uploads.form("image/jpeg"), uploads.form("image/jpeg")
    assert uploads.send(mine, b"x", **{"Content-Type": "text/html"}) == 403
    assert uploads.send(mine, b"x", key=other["fields"]["key"]) == 403
    assert uploads.send(mine, bytes(20 * 1024 * 1024 + 1)) in (400, 403)
    assert uploads.held() == before


def test_strangers_get_no_form(uploads: Uploads) -> None:
    assert uploads.endpoint.call("POST", "/v1/uploads", b"{}").status == 403


def sent(uploads: Uploads) -> Json:
    """A form that a portrait was sent with."""
    form = uploads.form("image/jpeg")
    portrait = (ROOT / "events/pictures/grace_hopper.jpg").read_bytes()
    assert uploads.send(form, portrait) in (200, 204)
    return form


def test_without_putting_forms_are_refused(uploads: Uploads) -> None:
    where = Permission("UseUploads", 0, "s3:PutObject")
    with broken(uploads.stack, where, "S3 refuses the form", "the form is taken"):
        assert uploads.send(uploads.form("image/jpeg"), b"x") == 403
    sent(uploads)


def test_without_reading_an_upload_is_no_picture(uploads: Uploads) -> None:
    asked = {"images": [sent(uploads)["image"]]}
    where = Permission("UseUploads", 0, "s3:GetObject")
    with broken(uploads.stack, where, "BucketNotAllowed", "the faces are found"):
        assert uploads.refusal("/v1/detect", asked) == "BucketNotAllowed"
    assert uploads.post("/v1/detect", asked)["images"][0]["faces"]


def test_without_deleting_the_answer_comes_and_the_picture_stays(uploads: Uploads) -> None:
    form = sent(uploads)
    asked = {"images": [form["image"]], "delete": True}
    where = Permission("UseUploads", 0, "s3:DeleteObject")
    with broken(uploads.stack, where, "answered, and kept for a day", "answered, and deleted"):
        assert uploads.post("/v1/detect", asked)["images"][0]["faces"]
        assert form["fields"]["key"] in uploads.held()
    uploads.post("/v1/detect", asked)
    assert form["fields"]["key"] not in uploads.held()


def test_without_listing_a_missing_upload_reads_as_refused(uploads: Uploads) -> None:
    asked = {"images": [uploads.form("image/jpeg")["image"]]}
    where = Permission("UseUploads", 1, "s3:ListBucket")
    with broken(uploads.stack, where, "missing upload: BucketNotAllowed", "ObjectNotFound"):
        assert uploads.refusal("/v1/detect", asked) == "BucketNotAllowed"
    assert uploads.refusal("/v1/detect", asked) == "ObjectNotFound"


def test_nobody_but_the_function_reads_an_upload(uploads: Uploads) -> None:
    emulator = uploads.endpoint.emulator
    reader = make_user(emulator, f"reader-{uuid.uuid4().hex[:6]}")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    emulator.client("iam").put_user_policy(
        UserName=reader.name, PolicyName="read", PolicyDocument=policy(statement)
    )
    client = emulator.client("s3", (reader.key, reader.secret))
    place = {"Bucket": uploads.bucket, "Key": sent(uploads)["fields"]["key"]}
    where = Permission("UploadStorePolicy", 1, "s3:GetObject")
    refuses(lambda: client.get_object(**place))
    with broken(uploads.stack, where, "whoever may read S3 reads it", "the function alone"):
        client.get_object(**place)
    refuses(lambda: client.get_object(**place))


def test_the_upload_bucket_refuses_plain_http(uploads: Uploads) -> None:
    client = plain(uploads.stack, "s3", "s3:*")
    check_deny(
        uploads.stack,
        Permission("UploadStorePolicy", 0, "s3:*"),
        lambda: client.list_objects_v2(Bucket=uploads.bucket),
    )
