"""What is fuzzed: bytes in, and an exception only where a promise was broken."""

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import align
from fixtures import http_events
from fuzz import world
from handler.faces.service import Service

MAX_PIXELS = 300_000
SHAPES = {
    "v2": http_events.http_v2,
    "rest": http_events.rest_v1,
    "alb": http_events.alb,
}


def decode(data: bytes) -> str:
    """Decodes at a fraction that the data choose; names what came of it.

    Raises world.BrokenPromise for a picture of a wrong form; what is no AlignError comes out.
    """
    reduction = (1, 2, 4, 8)[len(data) % 4]
    try:
        header = align.read_header(data)
        picture = align.decode(data, max_pixels=MAX_PIXELS, reduction=reduction)
    except align.AlignError as refusal:
        return type(refusal).__name__
    scale = picture.reduction
    expected = (-(-picture.height // scale), -(-picture.width // scale), 3)
    if picture.pixels.shape != expected or picture.pixels.dtype != "uint8":
        raise world.BrokenPromise(f"pixels of shape {picture.pixels.shape}, not {expected}")
    if (picture.width, picture.height) != header.upright_size:
        raise world.BrokenPromise("a size that the header does not give")
    return "read"


def handle(data: bytes) -> str:
    """Calls the function with what `data` describe, see `read_event`; names what came of it."""
    event = read_event(data)
    with world.fenced():
        given = world.answer(event, _service())
    if isinstance(given, Exception):
        return str(getattr(given, "code", "raised"))
    if "statusCode" in given:
        return str(given["statusCode"])
    return str(given["error"]["code"]) if "error" in given else "answered"


def read_event(data: bytes) -> Any:
    """An event: any JSON, or a line `SHAPE METHOD PATH?QUERY CONTENT-TYPE` and a body below it."""
    line, found, body = data.partition(b"\n")
    words = line.decode("latin-1").split(" ", 3)
    if found and words[0] in SHAPES and len(words) == 4:
        return _request(words, body)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("latin-1")


def _request(words: list[str], body: bytes) -> dict[str, Any]:
    import base64

    shape, method, target, content_type = words
    path, _, query = target.partition("?")
    text = base64.b64encode(body).decode("ascii")
    event: dict[str, Any] = dict(SHAPES[shape](path, text))
    headers = {**(event.get("headers") or {}), "content-type": content_type}
    event |= {"isBase64Encoded": True, "headers": headers}
    event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    if shape == "v2":
        event["requestContext"]["http"]["method"] = method
    else:
        event["httpMethod"] = method
    return event


@cache
def _service() -> Service:
    return world.make_service()


# HEIC has the same promises, and a decoder of its own.
TARGETS = {"decode": decode, "heic": decode, "handle": handle}
