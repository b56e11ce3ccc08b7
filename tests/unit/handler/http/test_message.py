"""The four shapes of HTTP read as one request, and one response is written in each of them."""

import base64
from typing import Any

import pytest

from fixtures import http_events
from handler.errors import ApiError
from handler.http.message import (
    HttpRequest,
    HttpResponse,
    is_http,
    read_request,
    require_deliverable,
    write_response,
)
from handler.settings import ALB_PAYLOAD, Limits

LIMITS = Limits(body_bytes=100)
BODY = '{"images": []}'


def shapes() -> dict[str, dict[str, Any]]:
    return {
        "v2": http_events.http_v2("/v1/embed", BODY),
        "function url": http_events.function_url("/v1/embed", BODY),
        "rest": http_events.rest_v1("/v1/embed", BODY),
        "alb": http_events.alb("/v1/embed", BODY),
        "alb multi": http_events.alb("/v1/embed", BODY, multi_value=True),
    }


@pytest.mark.parametrize("name", shapes())
def test_every_shape_reads_as_the_same_request(name: str) -> None:
    event = shapes()[name]
    assert is_http(event)
    request = read_request(event)
    assert (request.method, request.path) == ("POST", "/v1/embed")
    assert request.content_type == "application/json"
    assert request.body(LIMITS) == BODY.encode()


def test_a_function_url_is_distinguished_from_an_http_api() -> None:
    """Both speak payload 2.0; the log should say which one a caller used."""
    assert read_request(shapes()["v2"]).gateway == "http-api"
    assert read_request(shapes()["function url"]).gateway == "function-url"
    assert read_request(shapes()["rest"]).gateway == "rest-api"
    assert read_request(shapes()["alb"]).gateway == "alb"


@pytest.mark.parametrize("name", shapes())
def test_every_shape_gets_its_own_response(name: str) -> None:
    request = read_request(shapes()[name])
    answer = write_response(request, HttpResponse(404, b'{"a":"b"}', headers={"x-a": "1"}))
    assert answer["statusCode"] == 404
    assert answer["body"] == '{"a":"b"}'
    assert answer["isBase64Encoded"] is False
    headers = answer.get("headers") or {
        key: value[0] for key, value in answer["multiValueHeaders"].items()
    }
    assert headers == {"content-type": "application/json", "x-a": "1"}
    assert ("multiValueHeaders" in answer) is (name == "alb multi")
    assert answer.get("statusDescription") == ("404 Not Found" if "alb" in name else None)


def test_binary_goes_out_as_base64() -> None:
    request = read_request(shapes()["v2"])
    answer = write_response(request, HttpResponse(200, b"\xff\xd8", "image/jpeg"))
    assert (answer["body"], answer["isBase64Encoded"]) == ("/9g=", True)


def test_head_gets_headers_alone() -> None:
    request = read_request(http_events.http_v2("/v1/health", None, method="HEAD"))
    assert write_response(request, HttpResponse(200, b"{}"))["body"] == ""


def test_headers_are_read_in_any_case_and_of_many_the_last_counts() -> None:
    event = http_events.rest_v1("/v1/embed", BODY)
    event["headers"] = {"CONTENT-TYPE": "text/plain"}
    event["multiValueHeaders"] = {"Content-Type": ["text/plain", "Image/PNG; q=1"]}
    assert read_request(event).content_type == "image/png"


def test_only_the_alb_leaves_the_query_encoded() -> None:
    query = {"face": "a%20b+c"}
    alb = read_request({**http_events.alb("/v1/embed", BODY), "queryStringParameters": query})
    rest = read_request({**http_events.rest_v1("/v1/embed", BODY), "queryStringParameters": query})
    assert alb.query == {"face": "a b c"}
    assert rest.query == query


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"requestContext": {}},
        {"requestContext": None, "httpMethod": "GET"},
        {"operation": "detect", "images": []},
        {"Records": []},
    ],
)
def test_other_events_are_not_http(event: dict[str, Any]) -> None:
    assert not is_http(event)


def test_fields_of_wrong_types_read_as_empty() -> None:
    event = {
        "requestContext": {"http": {"method": 5}, "stage": []},
        "rawPath": None,
        "headers": [1],
        "queryStringParameters": {"a": 1, "b": "c"},
        "multiValueHeaders": {"x": [], "y": "z"},
        "body": 17,
        "isBase64Encoded": "true",
    }
    request = read_request(event)
    assert request == HttpRequest("v2", "", "/", "", {}, {"b": "c"}, "", False, True)


def body_code(text: str, is_base64: bool) -> str:
    request = HttpRequest("v2", "POST", "/", "", {}, {}, text, is_base64)
    with pytest.raises(ApiError) as caught:
        request.body(LIMITS)
    return caught.value.code


def test_bodies_are_bounded_before_they_are_decoded() -> None:
    assert body_code("x" * 101, False) == "PayloadTooLarge"
    assert body_code("é" * 100, False) == "PayloadTooLarge"
    assert body_code("!" * 1000, True) == "PayloadTooLarge"
    assert body_code(base64.b64encode(b"x" * 101).decode(), True) == "PayloadTooLarge"


def test_bodies_that_cannot_be_read_are_refused() -> None:
    assert body_code("no base64", True) == "InvalidBase64"
    assert body_code("\ud800", False) == "InvalidRequest"


def test_a_response_is_measured_as_it_travels() -> None:
    request = read_request(shapes()["v2"])
    limits = Limits(response_bytes=3000)
    require_deliverable(request, HttpResponse(200, b"x" * 1900), limits)
    for response in (
        HttpResponse(200, b"x" * 2000),
        HttpResponse(200, b'"' * 1000),
        HttpResponse(200, b"x" * 1500, "image/png"),
    ):
        with pytest.raises(ApiError) as caught:
            require_deliverable(request, response, limits)
        assert caught.value.code == "ResponseTooLarge"


def test_an_alb_takes_a_megabyte() -> None:
    response = HttpResponse(200, b"x" * ALB_PAYLOAD)
    require_deliverable(read_request(shapes()["rest"]), response, Limits())
    with pytest.raises(ApiError):
        require_deliverable(read_request(shapes()["alb"]), response, Limits())
