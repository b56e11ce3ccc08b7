"""Every error code can be reached, and answers with its status from outside."""

import base64
import json
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fixtures.http_events import http_v2
from handler import app
from handler.errors import RETRYABLE, STATUSES, ApiError
from handler.faces.service import BrokenService
from handler.search.service import person_vectors
from handler.settings import Settings
from handler.storage import clients
from tests.unit.handler.service_fakes import (
    BLACK,
    RED,
    FakeContext,
    FakeDetector,
    make_service,
    picture,
)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


IMAGE = text(picture(RED))


class Recipe:
    """A request, and the circumstances in which it is answered with one code."""

    def __init__(
        self,
        body: dict[str, Any],
        *,
        path: str = "/v1/compare",
        method: str = "POST",
        service: Any = None,
        remaining_ms: int = 30_000,
        storage: str = "",
    ) -> None:
        self.event = http_v2(path, json.dumps(body), method=method)
        self.service = service or make_service(input_buckets=frozenset({"photos"}))
        self.context = FakeContext(remaining_ms)
        self.storage = storage


def explode(_seen: Any) -> Any:
    raise ZeroDivisionError


def two(first: Any, **options: Any) -> dict[str, Any]:
    return {"images": [first, IMAGE], **options}


def with_a_collection(*, full: bool = False) -> Any:
    """A service that keeps the collection `staff`, with room for no face where `full`."""
    service = make_service(
        collections=tempfile.mkdtemp(), collection_faces=1 if full else None, persons=person_vectors
    )
    made = {"operation": "create_collection", "collection": "staff"}
    app.dispatch(made, FakeContext(), service)
    return service


STORED = {"s3": {"bucket": "photos", "key": "face.jpg"}}
RECIPES: dict[str, Callable[[], Recipe]] = {
    "InvalidRequest": lambda: Recipe(two(IMAGE, aligned="false")),
    "CountMismatch": lambda: Recipe(two(IMAGE, cnt=3)),
    "InvalidBase64": lambda: Recipe(two("?")),
    "UnknownOperation": lambda: Recipe(two(IMAGE, operation="delete")),
    "ModelMismatch": lambda: Recipe(two({"embedding": [1, 0, 0], "model": "other"})),
    "BucketNotAllowed": lambda: Recipe(two({"s3": {"bucket": "other", "key": "k"}})),
    "ObjectNotFound": lambda: Recipe(two(STORED), storage="NoSuchKey"),
    "CollectionNotFound": lambda: Recipe({}, path="/v1/collections/none", method="GET"),
    "PersonNotFound": lambda: Recipe(
        two({"collection": "staff", "person": "nobody"}), service=with_a_collection()
    ),
    "CollectionFull": lambda: Recipe(
        {"images": [IMAGE, IMAGE], "person": "ann"},
        path="/v1/collections/staff/faces",
        service=with_a_collection(full=True),
    ),
    "RouteNotFound": lambda: Recipe({}, path="/v1/identify"),
    "PayloadTooLarge": lambda: Recipe(two(IMAGE), service=make_service(limits={"image_bytes": 10})),
    "ImageTooLarge": lambda: Recipe(two(IMAGE), service=make_service(limits={"pixels": 10})),
    "ResponseTooLarge": lambda: Recipe(
        two(IMAGE), service=make_service(limits={"response_bytes": 1100})
    ),
    "UnsupportedFormat": lambda: Recipe(two(text(b"GIF89a" + bytes(60)))),
    "InvalidImage": lambda: Recipe(two(text(picture(RED)[:70]))),
    "FaceNotFound": lambda: Recipe(two(text(picture(BLACK)))),
    "LowQuality": lambda: Recipe(two(IMAGE, min_quality={"size": 500})),
    "InternalError": lambda: Recipe(two(IMAGE), service=make_service(FakeDetector(explode))),
    "ModelUnavailable": lambda: Recipe(
        two(IMAGE), service=BrokenService(Settings(), ApiError("ModelUnavailable", "No model."))
    ),
    "StorageUnavailable": lambda: Recipe(two(STORED), storage="SlowDown"),
    "Timeout": lambda: Recipe(two(IMAGE), remaining_ms=1),
}


class FailingStorage:
    def __init__(self, code: str) -> None:
        self._code = code

    def get_object(self, **_: Any) -> None:
        status = {"NoSuchKey": 404, "SlowDown": 503}[self._code]
        raise ClientError(
            {"Error": {"Code": self._code}, "ResponseMetadata": {"HTTPStatusCode": status}},
            "GetObject",
        )


def test_every_code_has_a_recipe() -> None:
    assert set(RECIPES) == set(STATUSES)


@pytest.mark.parametrize("code", STATUSES)
def test_the_code_is_reached_from_outside(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = RECIPES[code]()
    monkeypatch.setattr(clients, "client", lambda: FailingStorage(recipe.storage))
    response = app.dispatch(recipe.event, recipe.context, recipe.service)
    body = json.loads(response["body"])
    assert body["error"]["code"] == code
    assert response["statusCode"] == STATUSES[code]
    assert body["error"]["retryable"] is (code in RETRYABLE)
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details", "retryable"}
    assert body["error"]["message"].endswith(".")
