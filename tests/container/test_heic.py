"""The image built with `HEIC=on` reads HEIC; the one built without has nothing of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.heic_files import encode, has_encoder
from fixtures.lambda_container import LambdaContainer
from image import build
from image.commands import docker
from tests.needs import not_here

PORTRAIT = Path(__file__).resolve().parents[2] / "events/pictures/grace_hopper.jpg"
SEARCH = (
    "find / -xdev '(' -iname '*heif*' -o -iname '*de265*' -o -iname '*pillow*' ')' "
    "! -path '*/align/*' ! -path '/proc/*'"
)
Start = Callable[..., LambdaContainer]


@pytest.fixture(scope="module")
def heic_image(engine: None) -> str:
    """Tag of the `litert` target with the decoder in it."""
    return build.build("litert", "heic", {"HEIC": "on"})


@pytest.fixture(scope="module")
def compare() -> dict[str, Any]:
    """A request with one portrait as JPEG and as HEIC."""
    if not has_encoder():
        not_here("needs heif-enc: Debian's libheif-examples")
    jpeg = PORTRAIT.read_bytes()
    pictures = (jpeg, encode(jpeg, "-q", "90", suffix="jpg"))
    images = [base64.b64encode(each).decode() for each in pictures]
    return {"operation": "compare", "images": images}


def find(image: str) -> list[str]:
    """Files of the decoder in an image."""
    return docker("run", "--rm", "--entrypoint", "sh", image, "-c", SEARCH).split()


def test_a_heic_is_answered_as_the_same_portrait_in_jpeg(
    start: Start, heic_image: str, compare: dict[str, Any]
) -> None:
    answer = start(image=heic_image, environment={"FACENET_HEIC": "on"}).invoke(compare).json()
    assert answer["same"] is True
    assert answer["distance"] < 0.5  # strangers are 1.3 apart
    jpeg, heic = answer["images"]
    assert (heic["width"], heic["height"]) == (jpeg["width"], jpeg["height"])


def test_the_decoder_in_the_image_waits_for_the_setting(
    start: Start, heic_image: str, compare: dict[str, Any]
) -> None:
    error = start(image=heic_image).invoke(compare).json()["error"]
    assert (error["code"], error["details"]["setting"]) == ("UnsupportedFormat", "FACENET_HEIC")


def test_the_licences_of_the_decoder_come_with_it(heic_image: str) -> None:
    names = [Path(name).name for name in find(heic_image)]
    assert any(name.startswith("libheif") for name in names)
    assert any(name.startswith("pi_heif") and name.endswith("dist-info") for name in names)


def test_nothing_of_the_decoder_is_in_the_default_image(
    start: Start, image: str, compare: dict[str, Any]
) -> None:
    assert find(image) == []
    function = start(environment={"FACENET_HEIC": "on"})
    assert "ModelUnavailable" in str(function.invoke(compare).json())
