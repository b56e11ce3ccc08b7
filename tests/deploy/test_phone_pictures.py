"""Two photographs of 6 MB, one of them HEIC, go through the deployed upload bucket."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests import phone_pictures
from tests.deploy.callers import Endpoint, User, allow, make_user
from tests.deploy.emulator import REGION, ROOT, Emulator
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission
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
    allow(emulator, user, "execute-api:Invoke")
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


# The page's commands call an API without authorization; these lines before them sign its calls.
SIGNED_CURL = """
curl() {
  case "$*" in
    *"$url/v1/"*)
      command curl --aws-sigv4 "aws:amz:$region:execute-api" --user "$key:$secret" "$@" ;;
    *) command curl "$@" ;;
  esac
}
"""
SIGNED_REQUESTS = """
import json as encoder, os, requests, socket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

url, plain = os.environ["url"], requests.post

def post(address, json=None, **rest):
    if not address.startswith(url):
        return plain(address, **rest)
    body, headers = encoder.dumps(json), {"content-type": "application/json"}
    request = AWSRequest("POST", address, data=body, headers=headers)
    credentials = Credentials(os.environ["key"], os.environ["secret"])
    SigV4Auth(credentials, "execute-api", os.environ["region"]).add_auth(request)
    return plain(address, data=body, headers=dict(request.headers), **rest)

def resolve(host, *arguments, find=socket.getaddrinfo, **named):
    return find("localhost" if host.endswith(".localhost") else host, *arguments, **named)

requests.post, socket.getaddrinfo = post, resolve
"""


@pytest.mark.parametrize("language", ["sh", "python"])
def test_they_are_compared_by_the_commands_of_the_page(
    uploads: Uploads, tmp_path: Path, language: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(phone_pictures.jpeg())
    (tmp_path / "b.heic").write_bytes(phone_pictures.heic())
    command = {
        "sh": ["bash", "-euc", SIGNED_CURL + phone_pictures.code_of("sh")],
        "python": [sys.executable, "-c", SIGNED_REQUESTS + phone_pictures.code_of("python", 1)],
    }[language]
    emulator = uploads.endpoint.emulator
    certificate = str(emulator.certificate)
    # The emulator's certificate is for localhost, not for the names of APIs below it.
    variables = {
        "url": f"http://{urlsplit(uploads.endpoint.url).hostname}:{emulator.plain_port}",
        "region": REGION,
        "key": uploads.user.credentials.access_key,
        "secret": uploads.user.credentials.secret_key,
        "CURL_CA_BUNDLE": certificate,
        "REQUESTS_CA_BUNDLE": certificate,
    }
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"same":true' in done.stdout or "'same': True" in done.stdout
    assert uploads.held() == []
    REPORT.calls.append(f"two photographs of 6 MB by docs/uploads.md's lines of {language}: same")


def test_a_form_sent_twice_keeps_the_later_picture(uploads: Uploads) -> None:
    form = uploads.form("image/jpeg")
    for name in ("grace_hopper", "eileen_collins"):
        picture = (ROOT / f"events/pictures/{name}.jpg").read_bytes()
        assert uploads.send(form, picture) in (200, 204)
    answer = uploads.post("/v1/detect", {"images": [form["image"]], "delete": True})
    assert [image["width"] for image in answer["images"]] == [512]
    assert uploads.held() == []


def test_a_form_that_comes_too_late_is_refused(uploads: Uploads) -> None:
    """The function's forms last ten minutes; this one of its bucket lasts a second."""
    form = uploads.form("image/jpeg")
    assert uploads.send(form, b"x") in (200, 204)
    before = uploads.held()
    short = uploads.endpoint.emulator.client("s3").generate_presigned_post(
        uploads.bucket, "late", ExpiresIn=1
    )
    time.sleep(2.5)
    assert uploads.send(short, b"x") == 403
    assert uploads.held() == before
    uploads.endpoint.emulator.client("s3").delete_object(
        Bucket=uploads.bucket, Key=form["fields"]["key"]
    )


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
    allow(emulator, reader, "s3:GetObject")
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
