"""Whatever comes in, a typed answer goes out: no crash, no 500, no non-finite number."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures import http_events
from handler import app
from handler.errors import STATUSES, ApiError
from handler.http.routes import ROUTES
from handler.sources import is_delivered
from tests.unit.handler.service_fakes import RED, FakeContext, make_service, picture

SERVICE = make_service(limits={"images": 4, "body_bytes": 20_000}, page=True)
IMAGE = base64.b64encode(picture(RED)).decode()

PICTURES = {kind: picture(RED, 97, 61, kind) for kind in (".png", ".jpg", ".webp")}

# Hypothesis makes no lone surrogates of its own accord; JSON can hold them.
texts = st.text(max_size=20) | st.sampled_from(["\ud800", "a\udfff"])
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 2**64])
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
images = st.one_of(
    st.just(IMAGE),
    texts,
    anything,
    st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()),
    st.fixed_dictionaries({"embedding": st.lists(st.floats(width=32), max_size=4) | texts}),
    st.fixed_dictionaries({"s3": st.fixed_dictionaries({"bucket": texts, "key": texts})}),
)
options = {
    "operation": st.sampled_from(["compare", "embed", "detect"]) | anything,
    "cnt": st.integers(-1, 5) | anything,
    "aligned": st.booleans() | anything,
    "face": st.sampled_from(["largest", "central", "all"]) | anything,
    "threshold": st.floats(0, 2) | anything,
    "encoding": st.sampled_from(["float", "base64"]) | anything,
    "flip": st.booleans() | anything,
    "min_quality": st.floats(0, 1) | anything,
    "profile": st.sampled_from(["model", "uai"]) | anything,
    "surprise": anything,
}
requests = st.fixed_dictionaries(
    {"images": st.lists(images, max_size=5) | anything}, optional=options
)
paths = st.sampled_from([*ROUTES, "/", "/docs", "/nowhere"]) | texts
methods = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT"]) | texts
content_types = st.sampled_from(
    [
        "application/json",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=facenet-boundary",
        "image/jpeg",
        "image/png",
        "",
    ]
) | texts  # fmt: skip
forms = st.lists(
    st.one_of(
        st.builds(http_events.file_part, st.just("a.jpg"), st.binary(max_size=30)),
        st.builds(http_events.field_part, st.sampled_from([*options, "x"]), st.text("a1.\x00é")),
        st.binary(max_size=30),
    ),
    max_size=6,
).map(lambda parts: b"".join([*parts, b"--facenet-boundary--\r\n"]))
bodies = st.one_of(
    requests.map(lambda request: json.dumps(request).encode("utf-8", "replace")),
    st.just(picture(RED)),
    forms,
    st.binary(max_size=60),
)

bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def check_error(error: Mapping[str, Any]) -> None:
    assert error["code"] in STATUSES
    assert error["code"] != "InternalError"
    assert isinstance(error["message"], str)
    assert isinstance(error["details"], dict)


def check_response(response: Mapping[str, Any]) -> None:
    json.dumps(response, allow_nan=False).encode("utf-8")
    assert response["statusCode"] in {200, 204, 304, 308, *STATUSES.values(), 405}
    headers = response.get("headers") or response["multiValueHeaders"]
    if response["statusCode"] >= 400 and response["body"]:
        assert "json" in str(headers["content-type"])
        check_error(json.loads(response["body"])["error"])


@bounded
@given(event=requests | anything)
def test_any_direct_event_gets_a_typed_answer(event: Any) -> None:
    try:
        answer = app.dispatch(event, FakeContext(), SERVICE)
    except ApiError:
        assert is_delivered(event)
        return
    json.dumps(answer, allow_nan=False).encode("utf-8")
    if "error" in answer:
        check_error(answer["error"])
    else:
        assert answer["operation"] in ("compare", "embed", "detect")
        assert len(answer["images"]) == len(event["images"])


@bounded
@given(path=paths, method=methods, body=bodies, content_type=content_types, as_base64=st.booleans())
def test_any_request_gets_a_typed_response(
    path: str, method: str, body: bytes, content_type: str, as_base64: bool
) -> None:
    text = base64.b64encode(body).decode() if as_base64 else body.decode("latin-1")
    event = http_events.http_v2(
        path, text, method=method, content_type=content_type, base64_encoded=as_base64
    )
    check_response(app.dispatch(event, FakeContext(), SERVICE))


@bounded
@given(
    shape=st.sampled_from(["rest", "alb", "alb multi", "v2", "url"]),
    field=st.sampled_from(
        ["path", "rawPath", "headers", "multiValueHeaders", "queryStringParameters", "body",
         "isBase64Encoded", "httpMethod", "requestContext", "version"]
    ),
    value=anything,
)  # fmt: skip
def test_a_gateway_gone_mad_gets_a_typed_response(shape: str, field: str, value: Any) -> None:
    body = json.dumps({"images": [IMAGE]})
    event = {
        "rest": http_events.rest_v1("/v1/embed", body),
        "alb": http_events.alb("/v1/embed", body),
        "alb multi": http_events.alb("/v1/embed", body, multi_value=True),
        "v2": http_events.http_v2("/v1/embed", body),
        "url": http_events.function_url("/v1/embed", body),
    }[shape]
    answer = app.dispatch({**event, field: value}, FakeContext(), SERVICE)
    if "statusCode" in answer:
        check_response(answer)
    else:
        check_error(answer["error"])


def mutate(data: bytes, changes: list[tuple[int, int]], length: int) -> bytes:
    mutated = bytearray(data)
    for place, value in changes:
        mutated[place % len(mutated)] = value
    return bytes(mutated[: max(length, 1)])


@bounded
@given(
    kind=st.sampled_from([".png", ".jpg", ".webp"]),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12),
    length=st.integers(1, 6000),
)
def test_any_damaged_picture_is_refused_or_read(
    kind: str, changes: list[tuple[int, int]], length: int
) -> None:
    data = mutate(PICTURES[kind], changes, length)
    event = {"operation": "detect", "images": [base64.b64encode(data).decode()]}
    answer = app.dispatch(event, FakeContext(), SERVICE)
    if "error" in answer:
        check_error(answer["error"])
        assert answer["error"]["details"]["image"] == 0


@pytest.mark.parametrize("depth", [10, 1000, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    body = '{"images": ' + "[" * depth + "]" * depth + "}"
    response = app.dispatch(http_events.http_v2("/v1/embed", body), FakeContext(), make_service())
    check_response(response)
    assert response["statusCode"] == 400
