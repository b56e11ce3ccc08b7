"""The body of an HTTP request as a Job: JSON, multipart/form-data, or one bare picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handler.decoding import BYTE_ORDER_MARK
from handler.errors import ApiError
from handler.faces.images import decode_base64
from handler.faces.requests import Job, Request, from_fields, parse_json
from handler.http.message import HttpRequest
from handler.settings import Limits

if TYPE_CHECKING:
    from multipart import MultipartPart

PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp")
# Names for these that were never registered, but are in use.
OTHER_PICTURE_TYPES = (
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "image/*",
    "image/heic",
    "image/heif",
)
# Bytes of whatever kind; the second is what S3 calls an object that nobody named a type for.
BYTES_TYPES = ("application/octet-stream", "binary/octet-stream")
# Sent by curl and others when no content type is given.
UNSAID_TYPES = ("", "application/x-www-form-urlencoded", *BYTES_TYPES)
# Of a form part: content-transfer-encodings that change nothing.
UNENCODED = ("binary", "8bit", "7bit", "")
# U+FFFD in UTF-8: a gateway that decodes a body as text writes it for each invalid byte.
REPLACED = "\ufffd".encode()
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
SIGNATURE = "x-amz-"
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
        _refuse_query(request, options)
        return body
    if kind == "multipart":
        return _multipart(request, body, limits)
    return Form([_require_binary(body)], _options(request))


def _refuse_query(request: HttpRequest, options: Iterable[str]) -> None:
    """A JSON body holds all options; a query parameter must not be silently ignored."""
    given = sorted(_options(request))
    if given:
        known = given[0] in set(options)
        advice = "with a JSON body, put options into the body, not into the query"
        raise ApiError(
            "InvalidRequest",
            f"{given[0]}: {advice if known else 'unknown query parameter'}.",
            details={"field": given[0]},
        )


def _options(request: HttpRequest) -> dict[str, str]:
    """The query parameters without those of a signature, which the gateway has checked."""
    return {
        name: value
        for name, value in request.query.items()
        if not name.lower().startswith(SIGNATURE)
    }


def _kind(content_type: str, body: bytes) -> str:
    if content_type == "application/json" or content_type.endswith("+json"):
        return "json"
    if content_type == "multipart/form-data":
        return "multipart"
    if content_type in PICTURE_TYPES + OTHER_PICTURE_TYPES:
        return "picture"
    if content_type in UNSAID_TYPES:
        start = body[:MAX_FIELD].removeprefix(BYTE_ORDER_MARK).lstrip()[:1]
        return "json" if start in (b"{", b"[", b"") else "picture"
    raise ApiError(
        "UnsupportedFormat",
        f"content-type must be application/json, multipart/form-data or {PICTURE_TYPES}.",
    )


def _multipart(request: HttpRequest, body: bytes, limits: Limits) -> Form:
    """Parts that hold a file are the images, the others are options."""
    pictures: list[bytes] = []
    fields = _options(request)
    parts = _parts(request.headers["content-type"], body, limits)
    chosen = [part for part in parts if not _is_empty_input(part)]
    for part in chosen:
        if _is_file(part):
            pictures.append(_require_binary(_content(part)))
        else:
            fields[part.name] = _field_text(_content(part))
    if len(chosen) < len(parts) and not pictures:
        message = "images: no image was chosen: the form's file inputs are empty."
        raise ApiError("InvalidRequest", message, details={"field": "images"})
    return Form(pictures, fields)


def _is_empty_input(part: "MultipartPart") -> bool:
    """Whether a browser sent a file input without a file: an empty name and no content."""
    empty: bool = part.filename == "" and part.size == 0
    return empty


def _is_file(part: "MultipartPart") -> bool:
    """Whether a part has a file name, in either spelling (`filename*`: RFC 5987), or its type."""
    from multipart import parse_options_header

    if part.filename is not None or part.content_type.startswith(("image/", *BYTES_TYPES)):
        return True
    parameters: dict[str, str] = parse_options_header(part.disposition)[1]
    return "filename*" in parameters


def _require_binary(picture: bytes) -> bytes:
    """`picture`, unless a gateway decoded it as text, which cannot be undone."""
    if picture.startswith(REPLACED):
        raise ApiError(
            "UnsupportedFormat",
            "A gateway decoded the picture as text, which corrupted it: let the API pass bodies "
            "as binary (binaryMediaTypes */*), or send base64 in JSON.",
        )
    return picture


def _content(part: "MultipartPart") -> bytes:
    """A part's bytes. RFC 7578 deprecates encodings of single parts, but mail libraries write them.

    Raises InvalidBase64, and UnsupportedFormat for an encoding that MIME (RFC 2045) does not have.
    """
    raw: bytes = part.raw
    encoding = part.headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding in UNENCODED:
        return raw
    if encoding == "base64":
        return decode_base64(raw.decode("latin-1"), len(raw), "form part")
    if encoding == "quoted-printable":
        import quopri

        return quopri.decodestring(raw)
    raise ApiError(
        "UnsupportedFormat",
        "A form part has an unknown content-transfer-encoding: send its bytes as they are.",
    )


def _field_text(content: bytes) -> str:
    if len(content) > MAX_FIELD:
        raise ApiError("PayloadTooLarge", f"A form field may have at most {MAX_FIELD} bytes.")
    try:
        return str(content, "utf-8")
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
