"""The body of an HTTP request as a Job: JSON, multipart/form-data, or one bare picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handler.errors import ApiError
from handler.faces.requests import Job, Request, from_fields, parse_json
from handler.http.message import HttpRequest
from handler.settings import Limits

if TYPE_CHECKING:
    from multipart import MultipartPart

PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp")
# What curl and others send when nobody said what the body is.
UNSAID_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded")
MAX_FIELD = 4096
MAX_FIELDS = 16


@dataclass(frozen=True)
class Form:
    """Pictures of a body, and options as text: form fields and query parameters."""

    pictures: list[bytes]
    fields: dict[str, str]


def read_job(request: HttpRequest, operation: str, limits: Limits) -> Job:
    """What the request asks for. Raises what `read_content` and parsing raise."""
    content = read_content(request, limits, Request.__struct_fields__)
    if isinstance(content, bytes):
        return parse_json(content, limits, operation)
    return from_fields(content.pictures, content.fields, limits, operation)


def read_content(request: HttpRequest, limits: Limits, options: Iterable[str]) -> bytes | Form:
    """A JSON body as its bytes, or the pictures and fields of any other.

    `options` name what a JSON body says itself. Raises UnsupportedFormat for a body of no known
    kind, and InvalidRequest and PayloadTooLarge.
    """
    if request.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise ApiError("UnsupportedFormat", "Send the body without a content-encoding.")
    body = request.body(limits)
    kind = _kind(request.content_type, body)
    if kind == "json":
        _refuse_options(request, options)
        return body
    if kind == "multipart":
        return _multipart(request, body, limits)
    return Form([body], dict(request.query))


def _refuse_options(request: HttpRequest, options: Iterable[str]) -> None:
    """Options in the query of a JSON request must not be ignored in silence."""
    given = sorted(request.query.keys() & set(options))
    if given:
        raise ApiError(
            "InvalidRequest",
            f"{given[0]}: with a JSON body, put options into the body, not into the query.",
            details={"field": given[0]},
        )


def _kind(content_type: str, body: bytes) -> str:
    if content_type == "application/json" or content_type.endswith("+json"):
        return "json"
    if content_type == "multipart/form-data":
        return "multipart"
    if content_type in PICTURE_TYPES:
        return "picture"
    if content_type in UNSAID_TYPES:
        return "json" if body.lstrip()[:1] in (b"{", b"[", b"") else "picture"
    raise ApiError(
        "UnsupportedFormat",
        f"content-type must be application/json, multipart/form-data or {PICTURE_TYPES}.",
    )


def _multipart(request: HttpRequest, body: bytes, limits: Limits) -> Form:
    """Parts with a file name or a picture's type are the images, the others are options."""
    pictures: list[bytes] = []
    fields = dict(request.query)
    for part in _parts(request.headers["content-type"], body, limits):
        if part.filename or part.content_type.startswith("image/"):
            pictures.append(part.raw)
        else:
            fields[part.name] = _field_text(part)
    return Form(pictures, fields)


def _field_text(part: "MultipartPart") -> str:
    if part.size > MAX_FIELD:
        raise ApiError("PayloadTooLarge", f"A form field may have at most {MAX_FIELD} bytes.")
    try:
        return str(part.raw, "utf-8")
    except UnicodeDecodeError:
        raise ApiError("InvalidRequest", "A form field is not UTF-8 text.") from None


def _parts(content_type: str, body: bytes, limits: Limits) -> "list[MultipartPart]":
    """The parts, all in memory: a picture is never spooled to /tmp."""
    import io

    from multipart import MultipartError, MultipartParser, ParserLimitReached, parse_options_header

    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise ApiError("InvalidRequest", "multipart/form-data needs a boundary.")
    try:
        parser = MultipartParser(
            io.BytesIO(body),
            boundary,
            content_length=len(body),
            strict=True,
            part_limit=limits.images + MAX_FIELDS,
            spool_limit=len(body) + 1,
            memory_limit=len(body) + 1,
            disk_limit=0,
        )
        return list(parser)
    except ParserLimitReached:
        raise ApiError(
            "PayloadTooLarge", "The form has too many parts, or a part is too large."
        ) from None
    except (MultipartError, UnicodeError, LookupError, ValueError):
        raise ApiError("InvalidRequest", "The body is not valid multipart/form-data.") from None
