"""What is sent during a soak: each request with the statuses that may come back."""

import base64
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.batch_pictures import encode, scaled
from fixtures import http_events
from fixtures.hostile_pictures import HOSTILE
from fixtures.odd_pictures import ODD
from handler.errors import STATUSES

COLLECTION = "/v1/collections/soak"
EVENTS = Path(__file__).resolve().parents[2] / "events"
# These are legal, and take seconds each; their bounds have a test of their own.
SLOW = frozenset(name for name in HOSTILE if "at the limit" in name)
# How often a good request comes for each bad one.
GOOD_WEIGHT, BAD_WEIGHT = 6.0, 1.0


@dataclass(frozen=True)
class Sent:
    """One kind of request."""

    name: str
    path: str
    body: bytes
    statuses: frozenset[int]
    content_type: str = "application/json"
    method: str = "POST"
    weight: float = GOOD_WEIGHT

    def event(self) -> dict[str, Any]:
        """The request as an HTTP API hands it to Lambda."""
        text = base64.b64encode(self.body).decode("ascii")
        return http_events.http_v2(
            self.path,
            text,
            method=self.method,
            content_type=self.content_type,
            base64_encoded=True,
        )


def read(name: str) -> Any:
    """events/NAME.json."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def picture(name: str) -> bytes:
    """events/pictures/NAME.jpg."""
    return (EVENTS / "pictures" / f"{name}.jpg").read_bytes()


def worn_pictures() -> Mapping[str, bytes]:
    """Photographs whose faces are found by a second look, or by none."""
    pixels = scaled("grace_hopper", 250)
    return {
        "turned": encode(np.rot90(pixels)),
        "upside down": encode(np.rot90(pixels, 2)),
        "dark": encode(np.asarray(pixels * 0.08, np.uint8)),
    }


def enrolments() -> Iterable[Sent]:
    """What is sent once, before the searches."""
    yield Sent("collection", COLLECTION, b"", frozenset({200}), method="PUT")
    for person in ("eileen_collins", "grace_hopper"):
        images = [base64.b64encode(picture(person)).decode()]
        body = json.dumps({"person": person, "images": images}).encode()
        yield Sent("enrol", f"{COLLECTION}/faces", body, frozenset({200}))


def good_requests() -> Iterable[Sent]:
    """Requests that are answered with 200."""
    fine = frozenset({200})
    for name in ("compare-same", "compare-different", "compare-all", "embed", "detect", "aligned"):
        event = read(name)
        yield Sent(name, f"/v1/{event['operation']}", json.dumps(event).encode(), fine)
    service = read("service")
    yield Sent("service", "/service", base64.b64decode(service["body"]), fine, "")
    form = read("http-api-v2-multipart")
    kind = form["headers"]["content-type"]
    yield Sent("form", "/v1/compare", base64.b64decode(form["body"]), fine, kind)
    yield Sent("bare picture", "/v1/embed", picture("grace_hopper"), fine, "image/jpeg")
    for name, data in worn_pictures().items():
        yield Sent(name, "/v1/detect", data, fine, "image/jpeg")
    for name in ("eileen_collins_second", "two_people"):
        search = f"{COLLECTION}/search"
        yield Sent(f"search {name}", search, picture(name), fine, "image/jpeg")
    yield Sent("health", "/v1/health", b"", fine, method="GET")


def bad_requests() -> Iterable[Sent]:
    """Requests that are refused, each with its status."""
    face = base64.b64encode(picture("eileen_collins_second_face")).decode()
    bodies: Mapping[str, tuple[bytes, int]] = {
        "no JSON": (b'{"images": [', 400),
        "deep JSON": (b'{"images": ' + b"[" * 100_000, 400),
        "unknown field": (b'{"images": [], "url": "http://169.254.169.254/"}', 400),
        "no base64": (b'{"images": ["?", "?"]}', 400),
        "wrong count": (json.dumps({"cnt": 3, "images": [face] * 2}).encode(), 400),
        "too many": (json.dumps({"images": [""] * 17}).encode(), 413),
        "foreign bucket": (b'{"images": [{"s3": {"bucket": "other", "key": "k"}}, ""]}', 403),
        "not a vector": (b'{"images": [{"embedding": [1]}, {"embedding": [1]}]}', 400),
        "no face": (json.dumps(read("no-face")).encode(), 422),
    }
    for name, (body, status) in bodies.items():
        yield Sent(name, "/v1/compare", body, frozenset({status}), weight=BAD_WEIGHT)
    yield Sent("no route", "/v1/identify", b"{}", frozenset({404}), weight=BAD_WEIGHT)
    yield Sent("no method", "/v1/compare", b"", frozenset({405}), method="PUT", weight=BAD_WEIGHT)
    broken = b"--b\r\nContent-Disposition: form-data"
    kind = "multipart/form-data; boundary=b"
    yield Sent("broken form", "/v1/compare", broken, frozenset({400}), kind, weight=BAD_WEIGHT)


def hostile_requests() -> Iterable[Sent]:
    """The hostile and odd pictures as bare bodies."""
    for name, (make, codes) in {**HOSTILE, **ODD}.items():
        data = b"" if name in SLOW else make()
        if data:
            # One that can be read shows no face.
            refused = {STATUSES.get(code, STATUSES["FaceNotFound"]) for code in codes}
            yield Sent(name, "/v1/embed", data, frozenset(refused), "image/png", weight=0.3)


def all_requests() -> list[Sent]:
    """All kinds."""
    return [*good_requests(), *bad_requests(), *hostile_requests()]


def damaged_request(dice: random.Random) -> Sent:
    """A photograph with bytes changed at random, another one each time."""
    data = bytearray(picture(dice.choice(("grace_hopper_second", "eileen_collins_second"))))
    for _ in range(dice.choice((1, 4, 64))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    body = bytes(data[: dice.randrange(100, len(data) * 2)])
    return Sent("damaged", "/v1/embed", body, frozenset({200, 413, 415, 422}), "image/jpeg")
