"""HTTP events in AWS's four forms: HTTP API v2, REST v1, Function URL and ALB."""

import base64
import http
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_plus

import pybase64

from handler.errors import ApiError
from handler.faces.response_size import require_http
from handler.settings import Limits

Shape = Literal["v2", "rest", "alb"]  # a function URL speaks v2
TEXT_TYPES = ("text/", "application/json", "application/x-amz-json-")
Gateway = Literal["http-api", "function-url", "rest-api", "alb"]


@dataclass(frozen=True)
class HttpRequest:
    """A request, whichever shape it came in. Header names are lower case."""

    shape: Shape
    method: str
    path: str
    stage: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: str
    is_base64: bool
    multi_value: bool = False
    gateway: Gateway = "http-api"

    @property
    def content_type(self) -> str:
        """The media type without its parameters, lower case; empty if none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def body(self, limits: Limits) -> bytes:
        """The body's bytes. Raises PayloadTooLarge before decoding, and InvalidBase64."""
        limit = limits.body_bytes
        if len(self.raw_body) > (limit * 4 // 3 + 4 if self.is_base64 else limit):
            raise _too_large(limit)
        data = _decode_body(self.raw_body) if self.is_base64 else _encode_body(self.raw_body)
        if len(data) > limit:
            raise _too_large(limit)
        return data


@dataclass(frozen=True)
class HttpResponse:
    """A response, before it takes the shape of its request."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def is_http(event: Mapping[str, Any]) -> bool:
    """Whether `event` is an HTTP request of any shape."""
    context = event.get("requestContext")
    if not isinstance(context, Mapping):
        return False
    return "httpMethod" in event or "http" in context or "elb" in context


def read_request(event: Mapping[str, Any]) -> HttpRequest:
    """The request inside `event`. Fields that are missing or of a wrong type read as empty."""
    context = _mapping(event.get("requestContext"))
    shape = _shape(context)
    outer = _mapping(context.get("http")) if shape == "v2" else event
    multiple = isinstance(event.get("multiValueHeaders"), Mapping)
    query = _merge_parameters(event, "queryStringParameters", "multiValueQueryStringParameters")
    if shape == "alb":  # the only one that passes the raw query string
        query = {unquote_plus(name): unquote_plus(value) for name, value in query.items()}
    path = event.get("rawPath") if shape == "v2" else event.get("path")
    return HttpRequest(
        shape=shape,
        method=_string(outer.get("method" if shape == "v2" else "httpMethod")).upper(),
        path=_string(path) or "/",
        stage=_string(context.get("stage")),
        headers={
            name.lower(): value
            for name, value in _merge_parameters(event, "headers", "multiValueHeaders").items()
        },
        query=query,
        raw_body=_string(event.get("body")),
        is_base64=event.get("isBase64Encoded") is True,
        multi_value=multiple,
        gateway=_gateway(shape, context),
    )


def write_response(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """`response` in the shape that answers `request`."""
    headers = {"content-type": response.content_type, **response.headers}
    is_text = response.content_type.startswith(TEXT_TYPES)
    content = b"" if request.method == "HEAD" else response.body
    body = content.decode("utf-8") if is_text else base64.b64encode(content).decode("ascii")
    answer: dict[str, Any] = {
        "statusCode": response.status,
        "body": body,
        "isBase64Encoded": not is_text,
    }
    if request.shape == "alb":
        reason = http.HTTPStatus(response.status).phrase
        answer["statusDescription"] = f"{response.status} {reason}"
    if request.shape == "alb" and request.multi_value:
        answer["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    else:
        answer["headers"] = headers
    return answer


def require_deliverable(request: HttpRequest, response: HttpResponse, limits: Limits) -> None:
    """Raises ResponseTooLarge if Lambda (or the ALB) would refuse the response."""
    require_http(
        response.body,
        response.content_type.startswith(TEXT_TYPES),
        request.shape == "alb",
        limits.response_bytes,
    )


def _shape(context: Mapping[str, Any]) -> Shape:
    if "elb" in context:
        return "alb"
    return "v2" if "http" in context else "rest"


def _gateway(shape: Shape, context: Mapping[str, Any]) -> Gateway:
    """What sent the request. Only the domain tells a function URL from an HTTP API."""
    if shape == "rest":
        return "rest-api"
    if shape == "alb":
        return "alb"
    is_url = ".lambda-url." in _string(context.get("domainName"))
    return "function-url" if is_url else "http-api"


def _merge_parameters(event: Mapping[str, Any], single: str, multiple: str) -> dict[str, str]:
    """The parameters of either kind as single strings. Of a repeated one the last counts, but in
    payload v2 they come joined by commas.
    """
    many = {
        name: values[-1]
        for name, values in _mapping(event.get(multiple)).items()
        if isinstance(values, list) and values
    }
    both = {**_mapping(event.get(single)), **many}
    return {
        name: value
        for name, value in both.items()
        if isinstance(name, str) and isinstance(value, str)
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _decode_body(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise ApiError(
            "InvalidBase64", "The body is marked as base64 but is not valid base64."
        ) from None


def _encode_body(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ApiError("InvalidRequest", "The body is not valid Unicode text.") from None


def _too_large(limit: int) -> ApiError:
    return ApiError(
        "PayloadTooLarge",
        f"A body may have at most {limit} bytes; refer to larger pictures in S3.",
        details={"limit_bytes": limit},
    )
