"""`/service` answers what the UAI example answered: bare text, ten characters, -1."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from handler.errors import ApiError
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.settings import UaiMainClass
from handler.uai import service as uai
from tests.unit.handler.service_fakes import (
    BLACK,
    GREEN,
    RED,
    SIMILARITY,
    FakeDetector,
    make_service,
    picture,
)


def serving(main_class: UaiMainClass = "FaceCompareModel", **keywords: Any) -> Service:
    return make_service(uai_main_class=main_class, **keywords)


def payload(*colours: tuple[int, int, int], **changes: Any) -> bytes:
    images = [base64.b64encode(picture(colour)).decode() for colour in colours]
    return json.dumps({"cnt": len(images), "images": images, **changes}).encode()


def ask(service: Service, body: bytes) -> str:
    return uai.answer(service, body, Invocation())


def test_compare_answers_the_bare_distance() -> None:
    text = ask(serving(), payload(RED, GREEN))
    assert 0.5 < float(text) < 2
    assert len(text) <= 10


@pytest.mark.parametrize("colours", [(), (RED,)])
def test_fewer_than_two_pictures_are_minus_one(colours: tuple[Any, ...]) -> None:
    assert ask(serving(), payload(*colours)) == "-1"


def test_of_more_than_two_pictures_the_first_two_are_compared() -> None:
    assert ask(serving(), payload(RED, RED, GREEN)) == ask(serving(), payload(RED, RED))


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (0.60593, "0.60593"),
        (1.2345678, "1.2345678"),
        (0.0, "0.0"),
        (1.2e-7, "0.00000012"),
        (1 / 3, "0.33333334"),
        (2.0, "2.0"),
    ],
)
def test_a_distance_is_plain_text_of_at_most_ten_characters(distance: float, text: str) -> None:
    assert uai.distance_text(np.float32(distance)) == text


def test_pictures_are_crops_and_no_face_is_looked_for() -> None:
    blind = FakeDetector(lambda _: pytest.fail("detected"))
    assert float(ask(serving(detector=blind), payload(BLACK, RED))) > 0


def test_a_facenet_is_prewhitened_and_another_model_is_not() -> None:
    facenet, other = serving(), serving(manifest=SIMILARITY)
    ask(facenet, payload(RED, GREEN))
    ask(other, payload(RED, GREEN))
    assert facenet.model.calls[0]["standardization"] == "prewhiten"  # type: ignore[attr-defined]
    assert other.model.calls[0]["standardization"] is None  # type: ignore[attr-defined]


def test_embed_answers_an_array_of_arrays_and_nothing_else() -> None:
    text = ask(serving("FaceEmbedModel"), payload(RED, GREEN))
    rows = json.loads(text)
    assert np.shape(rows) == (2, 3)
    assert text.startswith("[[0.9")
    assert text.count(".") == 6
    assert len(text.split(".")[1].split(",")[0]) == 8


def test_embed_of_nothing_is_an_empty_array() -> None:
    assert ask(serving("FaceEmbedModel"), payload()) == "[]"


def test_auto_batch_takes_a_bare_picture() -> None:
    assert np.shape(json.loads(ask(serving("FaceEmbedModelAutoBatch"), picture(RED)))) == (3,)


def test_detection_takes_a_bare_picture_and_answers_boxes_with_scores() -> None:
    assert json.loads(ask(serving("FaceDetectionModel"), picture(RED))) == [
        [16.0, 12.0, 48.0, 36.0, 0.9]
    ]
    assert ask(serving("FaceDetectionModel"), picture(BLACK)) == "[]"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidRequest"),
        (b"{}", "InvalidRequest"),
        (payload(RED, RED, cnt=3), "CountMismatch"),
        (payload(*[RED] * 17), "PayloadTooLarge"),
        (json.dumps({"images": ["?", "?"]}).encode(), "InvalidBase64"),
        (json.dumps({"images": ["YWJj", "YWJj"]}).encode(), "UnsupportedFormat"),
        (json.dumps({"images": [{"embedding": [1]}, "YWJj"]}).encode(), "InvalidRequest"),
    ],
)
def test_what_cannot_be_answered_is_refused_as_elsewhere(body: bytes, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        ask(serving(), body)
    assert caught.value.code == code


def test_fields_that_the_example_never_read_are_let_through() -> None:
    assert ask(serving(), payload(RED, RED, comment="hello")) == "0.0"
