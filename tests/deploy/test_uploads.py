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
from tests.deploy.emulator import Emulator, policy
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
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

    def keys(self) -> list[str]:
        s3 = self.endpoint.emulator.client("s3")
        rows = s3.list_objects_v2(Bucket=self.stack.outputs["UploadBucketName"])
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
    assert uploads.keys() == []
    REPORT.calls.append("two photographs of 6 MB, JPEG and HEIC, through POST /v1/uploads: same")


def test_what_a_form_does_not_allow_is_refused(uploads: Uploads) -> None:
    before = uploads.keys()
    mine, other = uploads.form("image/jpeg"), uploads.form("image/jpeg")
    assert uploads.send(mine, b"x", **{"Content-Type": "text/html"}) == 403
    assert uploads.send(mine, b"x", key=other["fields"]["key"]) == 403
    assert uploads.send(mine, bytes(20 * 1024 * 1024 + 1)) in (400, 403)
    assert uploads.keys() == before


def test_nobody_but_the_function_reads_an_upload(uploads: Uploads) -> None:
    form = uploads.form("image/jpeg")
    assert uploads.send(form, b"a photograph") in (200, 204)
    key = uploads.user.key, uploads.user.secret
    reader = uploads.endpoint.emulator.client("s3", key)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    uploads.endpoint.emulator.client("iam").put_user_policy(
        UserName=uploads.user.name, PolicyName="read", PolicyDocument=policy(statement)
    )
    bucket = uploads.stack.outputs["UploadBucketName"]
    with pytest.raises(reader.exceptions.ClientError, match=r"AccessDenied|Forbidden"):
        reader.get_object(Bucket=bucket, Key=form["fields"]["key"])
