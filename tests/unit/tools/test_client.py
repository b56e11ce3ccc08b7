"""The client says what the API expects, signs where AWS wants it, and raises the API's errors."""

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import cv2
import numpy as np
import pytest

from tools import client
from tools.client import CallError, transport
from tools.client.__main__ import main
from tools.client.pictures import REQUEST_BYTES, content_type_of, request_of

URLS = {
    "https://abc123.execute-api.eu-central-1.amazonaws.com": ("eu-central-1", "execute-api"),
    "https://abc123.execute-api.cn-north-1.amazonaws.com.cn": ("cn-north-1", "execute-api"),
    "https://xyz.lambda-url.us-east-1.on.aws/": ("us-east-1", "lambda"),
}


class Wire:
    """Takes the place of the network: keeps the request, gives the prepared answer."""

    def __init__(self, status: int = 200, content: bytes = b'{"same": true}') -> None:
        self.status, self.content = status, content
        self.sent: Any = None

    def send(self, request: Any) -> Any:
        self.sent = request
        return SimpleNamespace(status_code=self.status, content=self.content)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    made = Wire()
    monkeypatch.setattr(transport, "URLLib3Session", lambda **_: made)
    return made


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="eu-west-1")


def test_files_bytes_and_references_become_images(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"of a file")
    request = request_of(
        [str(tmp_path / "a.jpg"), b"in memory", "s3://bucket/some/key.jpg", {"embedding": [1.0]}]
    )
    assert request["cnt"] == 4
    assert [base64.b64decode(image) for image in request["images"][:2]] == [
        b"of a file",
        b"in memory",
    ]
    assert request["images"][2:] == [
        {"s3": {"bucket": "bucket", "key": "some/key.jpg"}},
        {"embedding": [1.0]},
    ]


def test_local_call_is_plain_json_without_a_signature(wire: Wire) -> None:
    answer = client.over_http("http://127.0.0.1:8080").compare(b"a", b"b", threshold=1.0)
    assert answer == {"same": True}
    assert wire.sent.url == "http://127.0.0.1:8080/v1/compare"
    assert wire.sent.headers["Content-Type"] == "application/json"
    assert "Authorization" not in wire.sent.headers
    assert json.loads(wire.sent.body)["threshold"] == 1.0


@pytest.mark.parametrize(("url", "place"), URLS.items())
def test_call_to_aws_is_signed_for_its_region_and_service(
    wire: Wire, session: boto3.Session, url: str, place: tuple[str, str]
) -> None:
    client.over_http(url, session).embed(b"a")
    credential = wire.sent.headers["Authorization"]
    assert f"/{place[0]}/{place[1]}/aws4_request" in credential
    assert "SignedHeaders=content-type;host;x-amz-date" in credential
    assert wire.sent.url == f"{url.rstrip('/')}/v1/embed"


def test_host_that_only_looks_like_aws_is_not_given_a_signature(wire: Wire) -> None:
    client.over_http("http://abc.execute-api.eu-west-1.amazonaws.com.example.org").detect(b"a")
    assert "Authorization" not in wire.sent.headers


def test_missing_credentials_are_said(wire: Wire) -> None:
    empty = SimpleNamespace(get_credentials=lambda: None)
    with pytest.raises(CallError, match="aws configure"):
        client.over_http(next(iter(URLS)), empty).embed(b"a")


def test_error_of_the_api_is_raised_with_its_code_and_details(wire: Wire) -> None:
    wire.status = 422
    wire.content = json.dumps(
        {
            "error": {
                "code": "FaceNotFound",
                "message": "image 1 has no face",
                "details": {"index": 1},
                "retryable": False,
            },
            "request_id": "r",
        }
    ).encode()
    with pytest.raises(CallError, match="FaceNotFound: image 1") as failure:
        client.over_http("http://127.0.0.1:8080").compare(b"a", b"b")
    assert (failure.value.status, failure.value.details) == (422, {"index": 1})


@pytest.mark.parametrize("content", [b'{"message": "Forbidden"}', b"Forbidden"])
def test_error_of_the_gateway_is_raised_too(wire: Wire, content: bytes) -> None:
    wire.status, wire.content = 403, content
    with pytest.raises(CallError, match="HTTP403: Forbidden"):
        client.over_http("http://127.0.0.1:8080").compare(b"a", b"b")


@pytest.mark.parametrize("content", [b"<html>ok</html>", b"null", b"[]", b"\xff", b""])
def test_what_is_no_json_object_is_no_answer(wire: Wire, content: bytes) -> None:
    wire.content = content
    with pytest.raises(CallError, match="HTTP200: expected a JSON object") as failure:
        client.over_http("http://127.0.0.1:8080").compare(b"a", b"b")
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"error": {"message": "x"}}', "HTTP502: x"),
        (b'{"error": {"code": "Busy"}}', "Busy: {"),
        (b'{"error": "Bad Gateway"}', "HTTP502: .*Bad Gateway"),
        (b"null", "HTTP502: null"),
    ],
)
def test_error_in_another_shape_is_raised_with_what_it_says(
    wire: Wire, content: bytes, words: str
) -> None:
    wire.status, wire.content = 502, content
    with pytest.raises(CallError, match=words) as failure:
        client.over_http("http://127.0.0.1:8080").compare(b"a", b"b")
    assert failure.value.retryable


def test_direct_invocation_carries_the_operation() -> None:
    calls: list[dict[str, Any]] = []

    def invoke(**arguments: Any) -> dict[str, Any]:
        calls.append(arguments)
        return {"Payload": io.BytesIO(b'{"images": []}')}

    service = SimpleNamespace(invoke=invoke)
    assert client.over_lambda("facenet", service).detect(b"a") == {"images": []}
    assert calls[0]["FunctionName"] == "facenet"
    assert json.loads(calls[0]["Payload"])["operation"] == "detect"


def test_crash_of_the_function_is_raised() -> None:
    crashed = {
        "FunctionError": "Unhandled",
        "Payload": io.BytesIO(b'{"errorType": "X", "errorMessage": "out of memory"}'),
    }
    service = SimpleNamespace(invoke=lambda **_: crashed)
    with pytest.raises(CallError, match="out of memory"):
        client.over_lambda("facenet", service).detect(b"a")


def test_command_line_prints_the_answer_and_passes_options(
    wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    assert main(["embed", str(tmp_path / "a.jpg"), "--encoding", "base64"]) == 0
    assert json.loads(capsys.readouterr().out) == {"same": True}
    body = json.loads(wire.sent.body)
    assert body["encoding"] == "base64"
    assert "threshold" not in body


def test_command_line_fails_with_words_not_a_traceback(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", "absent.jpg"]) == 1
    assert "absent.jpg" in capsys.readouterr().err


def test_command_line_does_not_print_a_page_as_the_answer(
    wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    wire.content = b"<html>ok</html>"
    assert main(["embed", str(tmp_path / "a.jpg")]) == 1
    said = capsys.readouterr()
    assert (said.out, "<html>ok</html>" in said.err) == ("", True)


LARGE = REQUEST_BYTES + 1


def noise_png() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 1800, 3), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_without_an_upload_bucket_pictures_are_made_smaller() -> None:
    asked: list[tuple[str, Any]] = []

    def call(operation: str, body: Any) -> Any:
        asked.append((operation, body))
        if operation == "uploads":
            raise CallError(404, "HTTP404", "Not Found")
        return {"same": True}

    picture = noise_png()
    assert len(picture) > LARGE
    assert client.Client(call).compare(picture, picture) == {"same": True}
    assert [operation for operation, _ in asked] == ["uploads", "compare"]
    body = asked[-1][1]
    assert "delete" not in body
    small = cv2.imdecode(np.frombuffer(base64.b64decode(body["images"][0]), np.uint8), 1)
    assert small.shape == (1067, 1600, 3)


def test_what_cannot_be_made_smaller_is_refused_with_a_message() -> None:
    def call(operation: str, body: Any) -> Any:
        raise CallError(200, "RouteNotFound", "Uploads are turned off.")

    with pytest.raises(CallError, match="Uploads=yes"):
        client.Client(call).embed(b"\0\0\0\x18ftypheic" + bytes(LARGE))


def test_another_refusal_of_a_form_is_not_hidden() -> None:
    def call(operation: str, body: Any) -> Any:
        raise CallError(403, "HTTP403", "Forbidden")

    with pytest.raises(CallError, match="Forbidden"):
        client.Client(call).embed(bytes(LARGE))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n", "image/png"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
    ],
)
def test_the_type_of_a_picture_is_recognised_by_its_first_bytes(data: bytes, expected: str) -> None:
    assert content_type_of(data) == expected


def test_collections_have_routes_of_their_own(wire: Wire) -> None:
    made = client.over_http("http://127.0.0.1:8080")
    made.enrol("staff", "Zoë a/b", b"picture", min_quality=0)
    assert (wire.sent.method, wire.sent.url) == (
        "POST",
        "http://127.0.0.1:8080/v1/collections/staff/faces",
    )
    body = json.loads(wire.sent.body)
    assert (body["person"], body["cnt"], "collection" in body) == ("Zoë a/b", 1, False)
    made.delete_person("staff", "Zoë a/b")
    assert wire.sent.method == "DELETE"
    assert wire.sent.url.endswith("/v1/collections/staff/persons/Zo%C3%AB%20a%2Fb")
    made.persons("staff", after="Zoë", limit=5)
    assert wire.sent.url.endswith("/persons?after=Zo%C3%AB&limit=5")
    made.create_collection("staff")
    assert (wire.sent.method, wire.sent.url[-21:]) == ("PUT", "/v1/collections/staff")


@pytest.mark.parametrize(
    "line",
    [
        "search a.jpg",
        "enrol --collection staff a.jpg",
        "delete-person --collection staff",
        "compare",
        "persons",
    ],
)
def test_a_verb_says_what_it_needs(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(line.split())
    assert "needs" in capsys.readouterr().err
