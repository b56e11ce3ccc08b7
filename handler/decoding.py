"""JSON and decoded objects as typed models; a refusal names the field."""

import codecs
import re
from typing import Any, NoReturn

import msgspec

from handler.errors import ApiError, printable

# Windows' editors and PowerShell write it before UTF-8; RFC 8259 lets readers ignore it.
BYTE_ORDER_MARK = codecs.BOM_UTF8


def decode_json(body: bytes, kind: Any) -> Any:
    """`body`, with or without a byte order mark, as `kind`.

    Raises InvalidRequest, which names the field.
    """
    try:
        return msgspec.json.decode(body.removeprefix(BYTE_ORDER_MARK), type=kind)
    except msgspec.ValidationError as failure:
        _refuse(failure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError("InvalidRequest", "The body is not valid JSON.") from None


def convert(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """A decoded object as `kind`; `strict=False` reads numbers and booleans out of text."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, UnicodeError, RecursionError) as failure:
        _refuse(failure)


def _refuse(failure: Exception) -> NoReturn:
    """A validation error of msgspec as InvalidRequest with the path written as `images[1].s3`."""
    text, _, place = str(failure).partition(" - at ")
    path = re.sub(r"^(key in )?`?\$\.?|`", "", place)
    missing = re.search(r"missing required field `(\w+)`|contains unknown field `(.+)`", text)
    if missing:
        name = missing[1] or missing[2]
        path = f"{path}.{name}" if path else name
        text = "is required" if missing[1] else "is not a known field"
    field = printable(path, 120)
    message = f"{field}: {printable(text)}." if field else f"{printable(text)}."
    raise ApiError("InvalidRequest", message, details={"field": field} if field else {}) from None
