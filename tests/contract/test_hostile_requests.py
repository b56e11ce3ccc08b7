"""Bodies made to hurt, a clock that jumps and a crowd of callers: each has a stated outcome."""

import base64
import gzip
import http.client
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fixtures import http_events
from handler import app
from tests.unit.handler.service_fakes import RED, FakeContext, make_service, picture
from tools.serve import Server

SERVICE = make_service()
END = f"--{http_events.BOUNDARY}--\r\n".encode()
FORM = f"multipart/form-data; boundary={http_events.BOUNDARY}"


def zip_bomb() -> bytes:
    """A hundred megabytes of zeros in an archive of a hundred kilobytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("face.jpg", bytes(100 << 20))
    return buffer.getvalue()


def ask(body: bytes, content_type: str, **headers: str) -> tuple[int, str]:
    """Status and error code of a POST /v1/embed."""
    event = http_events.http_v2(
        "/v1/embed",
        base64.b64encode(body).decode(),
        content_type=content_type,
        base64_encoded=True,
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event["headers"] = {**event["headers"], **named}
    response = app.dispatch(event, FakeContext(), SERVICE)
    body = json.loads(response["body"])
    return response["statusCode"], body.get("error", {}).get("code", "")


def form(*parts: bytes) -> bytes:
    return b"".join([*parts, END])


def field(header: bytes, content: bytes = b"1") -> bytes:
    start = b"--" + http_events.BOUNDARY.encode() + b"\r\n"
    return start + header + b"\r\n\r\n" + content + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="%s"'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (form(http_events.file_part("a.zip", zip_bomb())), (415, "UnsupportedFormat")),
        (form(*[http_events.file_part("a.jpg", b"x")] * 2000), (413, "PayloadTooLarge")),
        (form(*[http_events.field_part("face", "all")] * 2000), (413, "PayloadTooLarge")),
        (form(field(NAMED % (b"x" * 500_000))), (413, "PayloadTooLarge")),
        (form(field(NAMED % b"face", b"x" * 500_000)), (413, "PayloadTooLarge")),
        (form(field((NAMED % b"face") + b"\r\nX: y" * 5000)), (413, "PayloadTooLarge")),
        (form(field(b"no colon here")), (400, "InvalidRequest")),
        (b"--" * 1_000_000, (400, "InvalidRequest")),
        (b"\r\n" * 1_000_000, (400, "InvalidRequest")),
    ],
    ids=["zip bomb", "files", "fields", "name", "value", "headers", "header", "dashes", "lines"],
)
def test_a_hostile_form_is_refused(body: bytes, expected: tuple[int, str]) -> None:
    assert ask(body, FORM) == expected


def test_a_packed_body_is_refused_packed() -> None:
    packed = gzip.compress(bytes(50 << 20))
    expected = (415, "UnsupportedFormat")
    assert ask(packed, "application/json", content_encoding="gzip") == expected
    assert ask(packed, "application/gzip") == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"images": ' + b"[" * 1_000_000,
        b'{"images": ' + b'{"s3": ' * 200_000,
        b'{"images": [1e' + b"9" * 1_000_000 + b"]}",
        b'{"cnt": ' + b"9" * 1_000_000 + b', "images": [""]}',
        b'{"images": ["' + b"\\u0000" * 100_000,
        b'{"images": "\xff\xfe"}',
        b"{" + b'"a": 1, ' * 100_000 + b'"b": 1}',
    ],
    ids=["lists", "objects", "exponent", "integer", "escapes", "encoding", "repeated"],
)
def test_a_hostile_json_is_refused(body: bytes) -> None:
    assert ask(body, "application/json") == (400, "InvalidRequest")


@pytest.mark.parametrize(
    "now", [0.0, 4e9, time.time() - 86_400], ids=["1970", "2096", "a day behind"]
)
def test_a_clock_that_is_wrong_changes_no_answer(
    now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time left is Lambda's word and time spent is measured without the clock on the wall."""
    image = base64.b64encode(picture(RED)).decode()
    event = {"operation": "embed", "images": [image]}
    expected = app.dispatch(event, FakeContext(), SERVICE)["images"]
    monkeypatch.setattr(time, "time", lambda: now)
    answer = app.dispatch(event, FakeContext(), SERVICE)
    assert answer["images"] == expected
    assert 0 <= answer["timings_ms"]["total"] < 60_000


@pytest.fixture
def address() -> Iterator[int]:
    """The port of a local server with the function on loopback."""
    with Server(("127.0.0.1", 0), app.lambda_handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def post(port: int, path: str, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_callers_at_the_same_time_get_each_their_own_answer(address: int, load_event: Any) -> None:
    names = ("compare-same", "compare-different", "no-face")
    bodies = [json.dumps(load_event(name)).encode() for name in names] + [b'{"images": [']
    alone = [post(address, "/v1/compare", body) for body in bodies]
    assert [status for status, _ in alone] == [200, 200, 422, 400]
    with ThreadPoolExecutor(8) as crowd:
        together = list(crowd.map(lambda body: post(address, "/v1/compare", body), bodies * 4))
    for index, (status, answer) in enumerate(together):
        first_status, first = alone[index % len(bodies)]
        assert status == first_status
        assert answer.get("distance") == first.get("distance")
        assert answer.get("error") == first.get("error")
