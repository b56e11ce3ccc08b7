"""Files that were once answered wrongly, through the whole function: what it answers now."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import align
from fixtures.http_events import http_v2
from fixtures.jpeg_scans import put_together, refines, scans_of, take_apart, with_scans
from fixtures.odd_pictures import orientation_exif
from handler import app

ORDERS = ["<", ">"]
TYPES = [1, 3, 4]  # BYTE, SHORT, LONG

# Re-encoded, a portrait is up to 0.25 from itself in int8; turned or damaged it is above 0.9.
CLOSE = 0.3


def ask(operation: str, *pictures: bytes) -> dict[str, Any]:
    images = [base64.b64encode(picture).decode() for picture in pictures]
    answer: dict[str, Any] = app.lambda_handler({"operation": operation, "images": images}, None)
    return answer


@pytest.fixture(scope="module")
def portrait(root: Path) -> bytes:
    """Eileen Collins, 512x512, a baseline JPEG."""
    return (root / "events/pictures/eileen_collins.jpg").read_bytes()


@pytest.fixture(scope="module")
def pixels(portrait: bytes) -> np.ndarray:
    """Its pixels, uint8[512,512,3] RGB."""
    return align.decode(portrait).pixels


def saved(pixels: np.ndarray, kind: str = "jpeg", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=90, **options)
    return buffer.getvalue()


def send(content_type: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the answer of a detect over HTTP."""
    event = http_v2("/v1/detect", base64.b64encode(body).decode())
    event |= {"isBase64Encoded": True, "headers": {"content-type": content_type}}
    response = app.lambda_handler(event, None)
    return response["statusCode"], json.loads(response["body"])


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form whose parts are named `images` and have these other parameters and contents."""
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="images"{more}\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for more, content in parts
    )
    return body + b"--b--\r\n"


FORM = "multipart/form-data; boundary=b"
EMPTY = ('; filename=""', b"")


def distance(one: bytes, other: bytes) -> float:
    answer = ask("compare", one, other)
    assert "error" not in answer
    return float(answer["distance"])


def code(*pictures: bytes) -> str:
    return str(ask("detect", *pictures)["error"]["code"])


def case(root: Path, name: str) -> bytes:
    return (root / "tests/cases" / name).read_bytes()


def test_a_name_in_a_file_does_not_become_a_line_of_the_log(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = ask("detect", case(root, "icc-name-with-newline.png"))
    assert answer["images"][0]["faces"] == []
    out, err = capfd.readouterr()
    assert err == ""
    assert len(out.splitlines()) == 1
    assert "forged" not in out


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("file", ["jpeg", "png", "webp"])
def test_a_portrait_is_turned_upright(
    file: str, kind: int, order: str, pixels: np.ndarray, portrait: bytes
) -> None:
    exif = b"Exif\0\0" + orientation_exif(6, kind, order)
    lying = saved(np.rot90(pixels), file, exif=exif)
    assert distance(lying, portrait) < CLOSE


@pytest.mark.parametrize("junk", [b"?>", b"\xff\0\xff", b"\n"])
def test_a_portrait_with_stray_bytes_between_its_segments_is_read(
    junk: bytes, portrait: bytes
) -> None:
    assert distance(put_together(take_apart(portrait), junk), portrait) == pytest.approx(
        0, abs=1e-4
    )


def test_a_webp_of_thirty_bytes_has_no_face(root: Path) -> None:
    answer = ask("detect", case(root, "white-100x100.webp"))
    assert [answer["images"][0][side] for side in ("width", "height")] == [100, 100]
    assert answer["images"][0]["faces"] == []


def test_twelve_bits_a_sample_are_unsupported(portrait: bytes) -> None:
    data = bytearray(portrait)
    data[data.find(b"\xff\xc0") + 4] = 12
    assert code(bytes(data)) == "UnsupportedFormat"


def test_a_portrait_without_its_scans_is_invalid(root: Path) -> None:
    assert code(case(root, "progressive-dc-only.jpg")) == "InvalidImage"


def test_a_portrait_that_lost_refinements_is_itself(pixels: np.ndarray, portrait: bytes) -> None:
    whole = saved(pixels, progressive=True)
    needed = sum(not refines(scan) for scan in scans_of(whole))
    assert code(with_scans(whole, range(needed - 1))) == "InvalidImage"
    assert distance(with_scans(whole, range(needed)), portrait) < CLOSE
    assert distance(whole, portrait) < CLOSE


def test_a_portrait_of_twelve_bits_in_sixteen_is_as_light_as_it_was(
    pixels: np.ndarray, portrait: bytes
) -> None:
    data = align.opencv.cv2.imencode(".png", pixels[..., ::-1].astype(np.uint16) << 4)[1].tobytes()
    assert distance(data, portrait) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("more", ["", "; filename*=utf-8''m%C3%BCnchen.jpg", '; filename=""'])
def test_a_picture_in_a_form_needs_no_plain_file_name(more: str, portrait: bytes) -> None:
    status, answer = send(FORM, form((more, portrait), EMPTY))
    assert (status, len(answer["images"][0]["faces"])) == (200, 1)


def test_a_form_without_a_chosen_file_says_so() -> None:
    status, answer = send(FORM, form(EMPTY))
    assert status == 400
    assert "no image was chosen" in answer["error"]["message"]


@pytest.mark.parametrize("kind", ["image/jpg", "binary/octet-stream", "image/*"])
def test_a_bare_picture_of_a_careless_type_is_read(kind: str, portrait: bytes) -> None:
    status, answer = send(kind, portrait)
    assert (status, len(answer["images"][0]["faces"])) == (200, 1)


def test_base64_that_lost_its_plus_is_distinguished_from_a_damaged_picture(portrait: bytes) -> None:
    text = base64.b64encode(portrait).decode()
    body = json.dumps({"images": [text.replace("+", " ")]}).encode()
    status, answer = send("application/json", body)
    assert (status, answer["error"]["code"]) == (400, "InvalidBase64")
    body = json.dumps({"images": [f"data:image/jpeg;name=a.jpg;base64,{text}"]}).encode()
    assert send("application/json", b"\xef\xbb\xbf" + body)[0] == 200
