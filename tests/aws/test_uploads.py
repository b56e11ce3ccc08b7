"""Forms of POST /v1/uploads against a real S3 server: what they allow, and what they refuse."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import align
from fixtures import http_events
from fixtures.heic_files import seed
from fixtures.servers import connection
from fixtures.servers.radosgw import Account, RadosGateway
from handler.environment import Location
from handler.faces.service import Service
from handler.storage import clients
from tests.aws import events, stand_in
from tests.aws.conftest import ACCOUNT_VARIABLES
from tests.unit.handler.service_fakes import RED, make_service, picture
from tools import client
from tools.client.answers import answer_of

MOST_BYTES = 8_000_000
Json = dict[str, Any]


@dataclass
class Uploads:
    """The function with a bucket for uploads, and a look into that bucket."""

    s3: Any
    bucket: str
    service: Service

    def post(self, operation: str, body: Json, method: str = "POST") -> tuple[int, Json]:
        """An HTTP request to the function."""
        event = http_events.http_v2(f"/v1/{operation}", json.dumps(body), method=method)
        answer = stand_in.invoke(self.service, event)
        return answer["statusCode"], json.loads(answer["body"])

    def form(self, content_type: str = "image/png") -> Json:
        status, answer = self.post("uploads", {"content_type": content_type})
        assert status == 200, answer
        return answer["uploads"][0]

    def call(self, operation: str, body: Json) -> Json:
        """For tools.client: an answer, or CallError."""
        status, answer = self.post(operation, body)
        return answer_of(status, json.dumps(answer).encode())

    def keys(self) -> list[str]:
        return [
            row["Key"] for row in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        ]


def send(form: Json, data: bytes, **changes: str) -> requests.Response:
    """The form as curl sends it."""
    fields = {**form["fields"], **changes}
    return requests.post(form["url"], data=fields, files={"file": data}, timeout=30)


@pytest.fixture
def uploads(
    gateway: RadosGateway, account: Account, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Uploads]:
    for name in ACCOUNT_VARIABLES:
        monkeypatch.setenv(name, "")  # so that `use` is undone after the test
    connection.use(gateway.url, account)
    s3, bucket = gateway.client(account), f"uploads-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    service = make_service(
        limits={"image_bytes": MOST_BYTES}, uploads=bucket, heic=align.can_decode_heic()
    )
    yield Uploads(s3, bucket, service)
    clients.client.cache_clear()


@pytest.fixture(scope="module")
def large() -> bytes:
    """A PNG of 6 MB."""
    noise = np.random.default_rng(1).integers(0, 256, (1400, 1430, 3), dtype=np.uint8)
    import cv2

    return cv2.imencode(".png", noise)[1].tobytes()


def test_two_pictures_of_six_megabytes_are_compared_and_gone(
    uploads: Uploads, large: bytes
) -> None:
    assert len(large) > 6_000_000
    forms = [uploads.form(), uploads.form()]
    assert [send(form, large).status_code for form in forms] == [204, 204]
    assert len(uploads.keys()) == 2
    images = [form["image"] for form in forms]
    status, answer = uploads.post("compare", {"images": images})
    assert (status, answer["same"]) == (200, True)
    assert len(uploads.keys()) == 2
    status, answer = uploads.post("compare", {"images": images, "delete": True})
    assert (status, answer["same"]) == (200, True)
    assert uploads.keys() == []
    status, answer = uploads.post("compare", {"images": images})
    assert (status, answer["error"]["code"]) == (404, "ObjectNotFound")


@pytest.mark.skipif(not align.can_decode_heic(), reason="needs pi-heif")
def test_a_heic_is_sent_and_read(uploads: Uploads) -> None:
    form = uploads.form("image/heic")
    assert send(form, seed("plain")).status_code == 204
    status, answer = uploads.post("detect", {"images": [form["image"]]})
    assert (status, answer["images"][0]["width"]) == (200, 64)


@pytest.mark.skipif(not align.can_decode_heic(), reason="needs pi-heif")
def test_a_bucket_of_heic_files_is_embedded(uploads: Uploads) -> None:
    inputs, outputs = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("photos", "faces"))
    for bucket in (inputs, outputs):
        uploads.s3.create_bucket(Bucket=bucket)
    keys = [f"{name}.heic" for name in ("plain", "ten_bits", "alpha", "odd")]
    for key in keys:
        uploads.s3.put_object(Bucket=inputs, Key=key, Body=seed(key.removesuffix(".heic")))
    location = Location(outputs, "out")
    service = make_service(heic=True, input_buckets=frozenset({inputs}), output=location)
    for key in keys:
        stand_in.invoke(service, events.eventbridge(inputs, key))
    rows = uploads.s3.list_objects_v2(Bucket=outputs)["Contents"]
    results = [
        json.loads(uploads.s3.get_object(Bucket=outputs, Key=row["Key"])["Body"].read())
        for row in rows
    ]
    assert sorted(result["object"]["key"] for result in results) == sorted(keys)
    assert all(len(result["faces"]) == 1 for result in results)


def test_what_is_too_large_is_refused_by_s3(uploads: Uploads) -> None:
    refused = send(uploads.form(), bytes(MOST_BYTES + 1))
    assert refused.status_code in (400, 403)
    assert "EntityTooLarge" in refused.text
    assert uploads.keys() == []


def test_what_comes_too_late_is_refused(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handler.storage.uploads.UPLOAD_SECONDS", 1)
    form = uploads.form()
    time.sleep(2.5)
    assert send(form, picture()).status_code == 403
    assert uploads.keys() == []


@pytest.mark.parametrize("change", ["type", "key", "nothing signed"])
def test_another_type_or_another_key_is_refused(uploads: Uploads, change: str) -> None:
    mine, other = uploads.form(), uploads.form()
    changes = {
        "type": {"Content-Type": "text/html"},
        "key": {"key": other["fields"]["key"]},
        "nothing signed": {"x-amz-signature": "0" * 64},
    }[change]
    assert send(mine, picture(), **changes).status_code == 403
    assert uploads.keys() == []


def test_a_form_sent_twice_keeps_the_later_picture_under_its_own_key(uploads: Uploads) -> None:
    form, other = uploads.form(), uploads.form()
    for sent in (picture(width=64), picture(width=80)):
        assert send(form, sent).status_code == 204
    assert send(other, picture(width=96)).status_code == 204
    status, answer = uploads.post("detect", {"images": [form["image"], other["image"]]})
    assert status == 200
    assert [image["width"] for image in answer["images"]] == [80, 96]
    assert len(uploads.keys()) == 2


def test_after_a_refusal_pictures_stay_for_a_second_try(uploads: Uploads) -> None:
    form = uploads.form()
    send(form, picture((0, 0, 0)))
    asked = {"images": [form["image"]], "delete": True}
    status, answer = uploads.post("embed", asked)
    assert (status, answer["error"]["code"]) == (422, "FaceNotFound")
    assert len(uploads.keys()) == 1


def test_nothing_but_uploads_is_deleted(uploads: Uploads) -> None:
    kept = f"photos-{uuid.uuid4().hex[:8]}"
    uploads.s3.create_bucket(Bucket=kept)
    uploads.s3.put_object(Bucket=kept, Key="a.png", Body=picture())
    settings = {"input_buckets": frozenset({kept}), "uploads": uploads.bucket}
    uploads.service = make_service(**settings)
    stored = {"s3": {"bucket": kept, "key": "a.png"}}
    status, answer = uploads.post("embed", {"images": [stored], "delete": True})
    assert (status, answer["error"]["details"]["field"]) == (400, "delete")
    form = uploads.form()
    send(form, picture())
    status, _ = uploads.post("compare", {"images": [stored, form["image"]], "delete": True})
    assert (status, uploads.keys()) == (200, [])
    assert uploads.s3.get_object(Bucket=kept, Key="a.png")["ContentLength"] > 0


def test_uploads_are_enrolled_and_searched_and_gone(uploads: Uploads, tmp_path: Path) -> None:
    uploads.service = make_service(uploads=uploads.bucket, collections=str(tmp_path))
    uploads.post("collections/staff", {}, method="PUT")
    forms = [uploads.form() for _ in range(3)]
    for form, colour in zip(forms, (RED, (0, 0, 0), RED), strict=True):
        assert send(form, picture(colour)).status_code == 204
    person, faceless, probe = (form["image"] for form in forms)
    enrol = {"person": "red", "images": [person, faceless]}
    status, answer = uploads.post("collections/staff/faces", {**enrol, "delete": True})
    assert (status, [len(image["faces"]) for image in answer["images"]]) == (200, [1, 0])
    assert uploads.keys() == [probe["s3"]["key"]]
    for delete, left in ((False, 1), (True, 0)):
        asked = {"images": [probe], "delete": delete}
        status, answer = uploads.post("collections/staff/search", asked)
        matches = answer["images"][0]["faces"][0]["matches"]
        assert (status, [match["person"] for match in matches]) == (200, ["red"])
        assert len(uploads.keys()) == left


def test_uploads_stay_where_search_or_enrol_refuses(uploads: Uploads, tmp_path: Path) -> None:
    uploads.service = make_service(uploads=uploads.bucket, collections=str(tmp_path))
    form = uploads.form()
    send(form, picture((0, 0, 0)))
    asked = {"images": [form["image"]], "delete": True}
    for path, more in (("search", {}), ("faces", {"person": "red"})):
        status, answer = uploads.post(f"collections/staff/{path}", {**asked, **more})
        assert (status, answer["error"]["code"]) == (404, "CollectionNotFound")
    uploads.post("collections/staff", {}, method="PUT")
    status, answer = uploads.post("collections/staff/faces", {**asked, "person": "red"})
    assert (status, answer["error"]["code"]) == (422, "FaceNotFound")
    assert len(uploads.keys()) == 1


def test_the_client_sends_what_is_too_large_and_has_it_removed(
    uploads: Uploads, large: bytes
) -> None:
    calls: list[str] = []

    def call(operation: str, body: Json) -> Json:
        calls.append(operation)
        return uploads.call(operation, body)

    answer = client.Client(call).compare(large, picture(RED), large)
    assert [image["width"] for image in answer["images"]] == [1430, 64, 1430]
    assert calls == ["uploads", "uploads", "uploads", "compare"]
    assert uploads.keys() == []
