"""Every committed event of a caller, answered by the function with its bundled model."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from fixtures.http_events import http_v2
from handler import app, cold_start
from handler.faces.answers import (
    CompareAnswer,
    DetectAnswer,
    EmbedAnswer,
    HealthAnswer,
    ModelCardAnswer,
)
from handler.faces.service import AnyService, Service, ready

HTTP_COMPARE = [
    "alb",
    "alb-multi-value",
    "function-url",
    "http-api-v2",
    "http-api-v2-multipart",
    "rest-v1",
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The function as `make run` starts it: no settings at all."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FACENET_MODEL", "FACENET_PRECISION", "UAI_SERVICE_CONFIG"):
            patch.delenv(name, raising=False)
        yield ready(cold_start.start())


def call(event: Any, service: AnyService) -> Any:
    return app.dispatch(event, None, service)


def typed(answer: Any, kind: Any) -> Any:
    """`answer` as JSON carries it, held against the model that describes it."""
    return msgspec.json.decode(json.dumps(answer, allow_nan=False).encode(), type=kind)


@pytest.mark.parametrize(("name", "same"), [("compare-same", True), ("compare-different", False)])
def test_the_verdict_is_what_the_pictures_show(
    name: str, same: bool, service: Service, load_event: Any
) -> None:
    answer = typed(call(load_event(name), service), CompareAnswer)
    assert answer.same is same
    assert (answer.distance <= answer.threshold) is same
    assert (answer.similarity > 0.5) is same
    assert [len(image.faces) for image in answer.images] == [1, 1]


@pytest.mark.parametrize("name", HTTP_COMPARE)
def test_every_shape_of_http_gives_the_same_verdict(
    name: str, service: Service, load_event: Any
) -> None:
    response = call(load_event(name), service)
    assert response["statusCode"] == 200, response["body"]
    over_http = msgspec.json.decode(response["body"], type=CompareAnswer)
    direct = typed(call(load_event("compare-same"), service), CompareAnswer)
    assert over_http.distance == pytest.approx(direct.distance, abs=1e-4)
    assert over_http.images == direct.images


def test_the_reference_is_found_among_all_faces_of_a_group(
    service: Service, load_event: Any
) -> None:
    answer = typed(call(load_event("compare-all"), service), CompareAnswer)
    assert len(answer.images[0].faces) == 1
    assert len(answer.images[1].faces) == 2
    assert [pair.same for pair in answer.pairs] == [True, False]


def test_detect_finds_both_people_and_boxes_agree_with_their_shares(
    service: Service, load_event: Any
) -> None:
    (image,) = typed(call(load_event("detect"), service), DetectAnswer).images
    assert len(image.faces) == 2
    for face in image.faces:
        assert face.box_ratio.left == pytest.approx(face.box.left / image.width, abs=1e-4)
        assert face.box_ratio.height == pytest.approx(face.box.height / image.height, abs=1e-4)
        assert face.quality is not None


def test_embed_gives_unit_vectors_in_either_encoding(service: Service, load_event: Any) -> None:
    event = load_event("embed")
    packed = typed(call(event, service), EmbedAnswer).images[0].faces[0].embedding
    numbers = typed(call({**event, "encoding": "float"}, service), EmbedAnswer)
    vector = np.float32(numbers.images[0].faces[0].embedding)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert len(vector) == numbers.model.dimension
    event = {"images": [{"embedding": packed, "model": numbers.model.contract}, event["images"][0]]}
    assert typed(call(event, service), CompareAnswer).distance < 1e-3


def test_a_bare_picture_is_embedded(service: Service, load_event: Any) -> None:
    response = call(load_event("http-api-v2-image"), service)
    answer = msgspec.json.decode(response["body"], type=EmbedAnswer)
    assert isinstance(answer.images[0].faces[0].embedding, str)


def test_crops_are_compared_without_detection(service: Service, load_event: Any) -> None:
    answer = typed(call(load_event("aligned"), service), CompareAnswer)
    assert answer.same is True
    assert answer.images[0].faces[0].box_ratio == msgspec.convert(
        {"left": 0, "top": 0, "width": 1, "height": 1}, type(answer.images[0].faces[0].box_ratio)
    )


def test_service_answers_the_uai_example(service: Service, load_event: Any) -> None:
    response = call(load_event("service"), service)
    assert response["headers"]["content-type"].startswith("text/plain")
    assert len(response["body"]) <= 10
    assert 0 < float(response["body"]) < service.model.manifest.threshold


def test_a_picture_without_a_face_is_named(service: Service, load_event: Any) -> None:
    error = call(load_event("no-face"), service)["error"]
    assert (error["code"], error["details"]) == ("FaceNotFound", {"image": 1})


def test_health_and_model_describe_the_bundled_model(service: Service, load_event: Any) -> None:
    health = call(load_event("http-api-v2-health"), service)
    assert msgspec.json.decode(health["body"], type=HealthAnswer).model.id == service.model.id
    card = call(http_v2("/v1/model", None, method="GET"), service)
    assert msgspec.json.decode(card["body"], type=ModelCardAnswer).sha256 == service.model.sha256


def test_nothing_of_a_face_reaches_the_log(
    service: Service, load_event: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("compare-same", "embed", "no-face", "service", "http-api-v2-multipart"):
        call(load_event(name), service)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    for line in lines:
        fields = json.loads(line)
        assert len(line) < 1000
        assert not {"embedding", "landmarks", "box", "body", "key", "message_text"} & set(fields)
        assert "dropped" not in fields
