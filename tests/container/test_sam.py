"""The template and the image through the SAM command line."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests

from fixtures.lambda_container import EVENTS
from tests.container.comparison import differences
from tests.process_logs import LOGS
from tools import local_api

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "events/pictures"
ONE = PICTURES / "eileen_collins.jpg"
SECOND = PICTURES / "eileen_collins_second.jpg"
OTHER = PICTURES / "grace_hopper.jpg"
SECONDS = 60
# A JSON event of 6 MB holds this much of a picture as base64.
MOST_BYTES = 4_500_000


@pytest.fixture(scope="module")
def address(image: str) -> Iterator[str]:
    """The API on loopback, with a warm container behind it."""
    with local_api.start_api() as url:
        yield url
    LOGS.keep("start-api", (ROOT / "build/start-api.log").read_text(errors="replace"))


def test_the_template_is_valid(image: str) -> None:
    assert "valid SAM Template" in local_api.sam("validate", "--lint")


@pytest.mark.parametrize("name", EVENTS)
def test_local_invoke_answers_the_event_file(
    image: str, in_process: Callable[[str], Any], name: str
) -> None:
    answer = local_api.invoke(ROOT / "events" / f"{name}.json")
    assert list(differences(in_process(name), json.loads(answer))) == []


def encoded(*paths: Path) -> dict[str, Any]:
    images = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    return {"cnt": len(images), "images": images}


def test_json_is_answered(address: str) -> None:
    same = requests.post(f"{address}/v1/compare", json=encoded(ONE, SECOND), timeout=SECONDS)
    assert same.status_code == 200
    assert same.headers["content-type"].startswith("application/json")
    assert same.json()["same"] is True
    other = requests.post(f"{address}/v1/compare", json=encoded(ONE, OTHER), timeout=SECONDS)
    assert other.json()["same"] is False


def test_multipart_is_answered(address: str) -> None:
    files = [("images", (path.name, path.read_bytes(), "image/jpeg")) for path in (ONE, SECOND)]
    answer = requests.post(f"{address}/v1/compare", files=files, timeout=SECONDS)
    assert answer.status_code == 200
    assert answer.json()["same"] is True


def test_a_bare_jpeg_is_answered(address: str) -> None:
    answer = requests.post(
        f"{address}/v1/embed",
        data=ONE.read_bytes(),
        headers={"content-type": "image/jpeg"},
        timeout=SECONDS,
    )
    assert answer.status_code == 200
    assert len(answer.json()["images"][0]["faces"]) == 1


def test_pictures_up_to_the_payload_limit_are_answered(address: str) -> None:
    data = large_jpeg(MOST_BYTES)
    assert 0.97 * MOST_BYTES < len(data) <= MOST_BYTES
    answer = requests.post(
        f"{address}/v1/detect",
        data=data,
        headers={"content-type": "image/jpeg"},
        timeout=2 * SECONDS,
    )
    assert answer.status_code == 200
    assert len(answer.json()["images"][0]["faces"]) == 1


def large_jpeg(most: int) -> bytes:
    """The portrait, followed by bytes that belong to no picture until it is `most` long."""
    picture = cv2.imread(str(ONE))
    noise = np.random.default_rng(0).normal(0, 6, (1800, 1800, 3))
    large = cv2.resize(picture, (1800, 1800), interpolation=cv2.INTER_CUBIC) + noise
    large = np.clip(large, 0, 255).astype(np.uint8)
    best = b""
    for quality in range(70, 101):
        _, data = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= most:
            best = data.tobytes()
    # A comment before the end fills what the quality steps leave open.
    room = most - len(best)
    while room > 4:
        length = min(room, 65_537)
        best = (
            best[:2] + b"\xff\xfe" + (length - 2).to_bytes(2, "big") + bytes(length - 4) + best[2:]
        )
        room = most - len(best)
    return best


@pytest.mark.parametrize("path", ["/v1/compare", "/service"])
def test_a_wrong_method_is_refused(address: str, path: str) -> None:
    assert requests.get(f"{address}{path}", timeout=SECONDS).status_code in (403, 404, 405)


def test_a_wrong_path_is_refused(address: str) -> None:
    answer = requests.post(f"{address}/v1/nothing", json={}, timeout=SECONDS)
    assert answer.status_code in (403, 404)


def test_the_routes_without_a_body_are_answered(address: str) -> None:
    health = requests.get(f"{address}/v1/health", timeout=SECONDS)
    model = requests.get(f"{address}/v1/model", timeout=SECONDS)
    schema = requests.get(f"{address}/openapi.json", timeout=SECONDS)
    assert [answer.status_code for answer in (health, model, schema)] == [200, 200, 200]
    assert schema.json()["openapi"].startswith("3.1")


def test_what_is_refused_names_its_code(address: str) -> None:
    answer = requests.post(f"{address}/v1/compare", json={"images": ["!"]}, timeout=SECONDS)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("InvalidBase64", "InvalidRequest")


@pytest.mark.parametrize(
    ("generator", "pictures"),
    [
        ("gen_img_json", (ONE, SECOND)),
        (
            "gen_example_json",
            (PICTURES / "eileen_collins_face.jpg", PICTURES / "eileen_collins_second_face.jpg"),
        ),
    ],
)
def test_service_answers_what_the_packers_write(
    address: str, tmp_path: Path, generator: str, pictures: tuple[Path, Path]
) -> None:
    subprocess.run(
        [sys.executable, "-m", f"tools.{generator}", "--image_files", *map(str, pictures)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    body = (tmp_path / "test.json").read_bytes()
    answer = requests.post(f"{address}/service", data=body, timeout=SECONDS)
    assert answer.status_code == 200
    assert len(answer.text) <= 10
    assert 0 <= float(answer.text) <= 2
