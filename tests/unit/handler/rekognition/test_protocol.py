"""The protocol itself: targets, bodies, errors, and which of them clients repeat."""

import base64
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import botocore.session
import pytest
from botocore.exceptions import ClientError

from fixtures import http_events
from fixtures.http_events import http_v2
from handler.errors import STATUSES, ApiError
from handler.faces.service import BrokenService, Service
from handler.http import source
from handler.invocation import Invocation
from handler.rekognition import errors, protocol
from handler.settings import Settings
from tests.unit.handler.rekognition.conftest import Seen, make_client
from tests.unit.handler.service_fakes import FakeContext, make_service
from tools import client as tools_client

MODEL = botocore.session.get_session().get_service_model("rekognition")
PNG = b"\x89PNG\r\n\x1a\n"


def post(address: str, target: str | None, body: bytes = b"{}") -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    if target is not None:
        headers["X-Amz-Target"] = target
    request = urllib.request.Request(f"{address}/", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except HTTPError as failure:
        return failure.code, json.load(failure)


def test_every_served_operation_has_its_request_and_function() -> None:
    from importlib import import_module

    assert len(protocol.OPERATIONS) == 18
    for name, (module, function) in protocol.OPERATIONS.items():
        operations = import_module(module)
        members = MODEL.operation_model(name).input_shape.members
        renamed = getattr(operations, name).__struct_encode_fields__
        assert set(renamed) == set(members), name
        assert callable(getattr(operations, function))


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "CompareFaces",
        "RekognitionService.",
        "RekognitionService.DetectText",
        "RekognitionService.comparefaces",
        "RekognitionService.CompareFaces.CompareFaces",
        "RekognitionService_20160627.CompareFaces",
        "DynamoDB_20120810.GetItem",
        "RekognitionService.__class__",
        "RekognitionService.OPERATIONS",
        "RekognitionService." + "A" * 5000,
    ],
)
def test_an_operation_that_is_not_served_is_an_error_that_names_those_that_are(
    target: str | None, address: str
) -> None:
    status, answer = post(address, target)
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert "SearchUsersByImage" in answer["message"]
    assert len(answer["message"]) <= 500


def test_an_unserved_operation_of_the_client_raises_its_usual_error(rekognition: Any) -> None:
    with pytest.raises(ClientError) as caught:
        rekognition.detect_text(Image={"Bytes": PNG})
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "CompareFaces" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "SerializationException"),
        (b"no JSON", "SerializationException"),
        (b"\xff\xfe", "SerializationException"),
        (b"[" * 100_000, "SerializationException"),
        (b"[]", "SerializationException"),
        (b"{}", "InvalidParameterException"),
        (b'{"Image": null}', "InvalidParameterException"),
        (b'{"Image": {"Bytes": ""}}', "InvalidParameterException"),
        (b'{"Image": {"Bytes": "no base64!"}}', "InvalidParameterException"),
        (b'{"Image": {"Bytes": 5}}', "InvalidParameterException"),
        (b'{"Image": {"Bytes": "AAAA"}, "Attributes": ["AGE"]}', "InvalidParameterException"),
        (
            b'{"Image": {"S3Object": {"Bucket": "photos\\n", "Name": "a"}}}',
            "InvalidParameterException",
        ),
    ],
)
def test_a_wrong_body_is_told_as_what_is_wrong_with_it(
    body: bytes, kind: str, address: str
) -> None:
    status, answer = post(address, "RekognitionService.DetectFaces", body)
    assert (status, answer["__type"]) == (400, kind)
    assert answer["message"].endswith(".")


def test_members_that_are_not_known_are_ignored_as_the_service_ignores_them(
    address: str, pictures: Callable[[str], bytes]
) -> None:
    image = {"Bytes": base64.b64encode(pictures("no_face")).decode(), "Later": 1}
    body = json.dumps({"Image": image, "SomethingNew": {"a": [1]}, "Attributes": None})
    assert post(address, "RekognitionService.DetectFaces", body.encode()) == (
        200,
        {"FaceDetails": []},
    )


def test_a_picture_above_five_megabytes_is_too_large_wherever_the_body_fits(
    real_service: Service,
) -> None:
    """No gateway lets one through; a direct invocation with larger limits would."""
    limits = replace(real_service.settings.limits, body_bytes=10_000_000)
    service = replace(real_service, settings=replace(real_service.settings, limits=limits))
    text = base64.b64encode(bytes(5 * 1024 * 1024 + 1))
    reply = protocol.answer(
        "RekognitionService.DetectFaces",
        lambda: b'{"Image": {"Bytes": "' + text + b'"}}',
        lambda _: None,
        service,
        Invocation(),
    )
    assert reply.status == 400
    assert json.loads(reply.body)["__type"] == "ImageTooLargeException"


@pytest.mark.parametrize(
    ("operation", "request_body"),
    [
        ("ListCollections", {"MaxResults": 4097}),
        ("ListFaces", {"CollectionId": "a", "MaxResults": -1}),
        ("ListFaces", {"CollectionId": "a", "FaceIds": []}),
        ("ListFaces", {"CollectionId": "../a"}),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": ["x"]}),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": ["0" * 36] * 4097}),
        ("SearchFaces", {"CollectionId": "a", "FaceId": "0", "MaxFaces": 5000}),
        ("SearchUsers", {"CollectionId": "a"}),
        ("SearchUsers", {"CollectionId": "a", "UserId": "u", "MaxUsers": 501}),
        ("ListUsers", {"CollectionId": "a", "MaxResults": 0}),
        ("CreateUser", {"CollectionId": "a", "UserId": "a b"}),
        ("CreateUser", {"CollectionId": "a", "UserId": "@" + "0" * 24}),
        ("CreateUser", {"CollectionId": "a", "UserId": "u" * 129}),
        ("AssociateFaces", {"CollectionId": "a", "UserId": "u", "FaceIds": ["0" * 36] * 101}),
        ("CreateCollection", {"CollectionId": "a:b"}),
        ("CreateCollection", {"CollectionId": "a\n"}),
        ("CreateCollection", {"CollectionId": ".."}),
        ("IndexFaces", {"CollectionId": "a", "Image": {"Bytes": "AA=="}, "MaxFaces": 0}),
        ("CompareFaces", {"SimilarityThreshold": 101}),
    ],
)
def test_names_and_numbers_out_of_the_models_limits_are_refused(
    operation: str, request_body: dict[str, Any], address: str
) -> None:
    body = json.dumps(request_body).encode()
    status, answer = post(address, f"RekognitionService.{operation}", body)
    assert (status, answer["__type"]) == (400, "InvalidParameterException")


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("fault", "code", "repeated"),
    [
        (ApiError("Timeout", "Late."), "ThrottlingException", True),
        (
            ApiError("StorageUnavailable", "Busy."),
            "ProvisionedThroughputExceededException",
            True,
        ),
        (ApiError("InternalError", "Broken."), "InternalServerError", True),
        (ValueError("unexpected"), "InternalServerError", True),
        (ApiError("InvalidImage", "No picture."), "InvalidImageFormatException", False),
        (ApiError("CollectionNotFound", "None."), "ResourceNotFoundException", False),
        (ApiError("CollectionFull", "Full."), "ServiceQuotaExceededException", False),
    ],
)
def test_botocore_repeats_what_passes_and_nothing_else(
    fault: Exception,
    code: str,
    repeated: bool,
    mode: str,
    serve: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise fault

    monkeypatch.setattr("handler.rekognition.faces.detect_faces", fail)
    monkeypatch.setattr("time.sleep", lambda _: None)
    seen = Seen()
    client = make_client(
        serve(make_service(rekognition=True), seen),
        retries={"mode": mode, "total_max_attempts": 3},
    )
    with pytest.raises(ClientError) as caught:
        client.detect_faces(Image={"Bytes": PNG})
    assert caught.value.response["Error"]["Code"] == code
    assert len(seen.events) == (3 if repeated else 1)
    raised = getattr(client.exceptions, code)
    assert isinstance(caught.value, raised)


def test_a_fault_that_passes_is_never_seen_by_the_caller(
    serve: Callable[..., str], real_service: Service, pictures: Callable[[str], bytes]
) -> None:
    answers = iter([500, 400])

    def before(_event: dict[str, Any]) -> dict[str, Any] | None:
        status = next(answers, None)
        kind = {500: "InternalServerError", 400: "ThrottlingException"}.get(status or 0)
        body = json.dumps({"__type": kind, "message": "Later."})
        return kind and {"statusCode": status, "headers": {}, "body": body}  # type: ignore[return-value]

    client = make_client(serve(real_service, None, before), retries={"mode": "standard"})
    answer = client.detect_faces(Image={"Bytes": pictures("no_face")})
    assert answer["FaceDetails"] == []
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_every_error_of_ours_is_one_that_the_model_knows() -> None:
    known = set(MODEL.shape_names)
    for code in STATUSES:
        assert errors.translate(ApiError(code, "Text.")).kind in known


def test_a_function_that_could_not_start_says_so_in_the_protocol() -> None:
    settings = Settings(rekognition=True)
    broken = BrokenService(settings, ApiError("ModelUnavailable", "The model cannot be used."))
    event = http_v2("/", "{}", content_type="application/x-amz-json-1.1")
    event["headers"]["x-amz-target"] = "RekognitionService.DetectFaces"
    answer = source.handle(event, Invocation(FakeContext()), broken)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["__type"] == "InternalServerError"


def test_an_answer_that_does_not_fit_is_an_error_of_the_protocol(
    serve: Callable[..., str], real_service: Service, pictures: Callable[[str], bytes]
) -> None:
    """An ALB, or a function with a lower limit, takes less than an answer may need."""
    limits = replace(real_service.settings.limits, response_bytes=1500)
    small = replace(real_service, settings=replace(real_service.settings, limits=limits))
    body = json.dumps({"Image": {"Bytes": base64.b64encode(pictures("two_people")).decode()}})
    status, answer = post(serve(small), "RekognitionService.DetectFaces", body.encode())
    assert (status, answer["__type"]) == (400, "ServiceQuotaExceededException")


def test_answers_are_text_with_the_protocols_type_and_the_request_id(
    real_service: Service,
) -> None:
    event = http_v2("/stage/", "{}", content_type="application/x-amz-json-1.1")
    event["requestContext"]["stage"] = "stage"
    event["headers"]["x-amz-target"] = "RekognitionService.ListCollections"
    context = FakeContext()
    answer = source.handle(event, Invocation(context), real_service)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["headers"]["content-type"] == "application/x-amz-json-1.1"
    assert answer["headers"]["x-amzn-requestid"] == context.aws_request_id


def test_without_the_setting_there_is_no_such_route() -> None:
    event = http_v2("/", "{}", content_type="application/x-amz-json-1.1")
    event["headers"]["x-amz-target"] = "RekognitionService.DetectFaces"
    answer = source.handle(event, Invocation(FakeContext()), make_service())
    assert answer["statusCode"] == 404


def test_the_page_and_the_wing_share_their_path() -> None:
    service = make_service(rekognition=True, page=True)
    event = http_v2("/", None, method="GET", content_type=None)
    assert source.handle(event, Invocation(FakeContext()), service)["statusCode"] == 200


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("https://abc.execute-api.eu-central-1.amazonaws.com", "eu-central-1/execute-api"),
        ("https://abc.lambda-url.eu-west-3.on.aws", "eu-west-3/lambda"),
    ],
)
def test_calls_are_signed_for_the_service_at_the_address(
    host: str, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = tools_client.rekognition(host)
    sent: list[Any] = []

    def keep(request: Any, **_: Any) -> None:
        sent.append(request)
        raise InterruptedError

    client.meta.events.register("before-send.rekognition", keep)
    with pytest.raises(InterruptedError):
        client.list_collections()
    assert f"/{scope}/aws4_request" in sent[0].headers["Authorization"].decode()
    assert sent[0].url == f"{host}/"


@pytest.mark.parametrize(
    "event",
    [
        http_events.http_v2("/", "{}"),
        http_events.function_url("/", "{}"),
        http_events.rest_v1("/", "{}"),
        http_events.alb("/", "{}"),
        http_events.alb("/", "{}", multi_value=True),
    ],
    ids=["http-api", "function-url", "rest-api", "alb", "alb-multi-value"],
)
@pytest.mark.parametrize("name", ["X-Amz-Target", "x-amz-target"])
@pytest.mark.parametrize("encoded", [False, True])
def test_every_way_of_http_is_answered(
    event: dict[str, Any], name: str, encoded: bool, real_service: Service
) -> None:
    target = "RekognitionService.ListCollections"
    sent = {**event, "isBase64Encoded": encoded, "body": "e30=" if encoded else "{}"}
    if "multiValueHeaders" in event:
        sent["multiValueHeaders"] = {**event["multiValueHeaders"], name: [target]}
    if "headers" in event:
        sent["headers"] = {**event["headers"], name: target}
    answer = source.handle(sent, Invocation(FakeContext()), real_service)
    assert answer["statusCode"] == 200
    assert "CollectionIds" in json.loads(answer["body"])


def test_one_module_of_the_wing_knows_the_collections(root: Path) -> None:
    knowing = {
        path.name
        for path in (root / "handler" / "rekognition").glob("*.py")
        if "from handler.search" in path.read_text()
    }
    assert knowing == {"gallery.py"}
