"""Two photographs on the page, compared by the real function."""

import base64
import json
import re
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

import align
from align.alignment import TEMPLATE

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

SAMPLES = Path(__file__).resolve().parents[2] / "handler" / "http" / "static" / "samples"
# What the page promises of a whole request, as text.
REQUEST_BYTES = 4_500_000
CHIP_TOLERANCE = 8.0  # mean difference of 0..255; a chip one eye's breadth off has over 30


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the function itself says, without a browser."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{address}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def encoded(name: str) -> str:
    return base64.b64encode((SAMPLES / name).read_bytes()).decode()


def slot(page: "Page", index: int) -> Any:
    return page.locator("#pair .slot").nth(index)


def percentage(locator: Any, name: str) -> float:
    text: str = locator.evaluate(f"element => element.style.{name}")
    return float(text.rstrip("%"))


def canvas_pixels(locator: Any) -> np.ndarray:
    """A canvas as uint8 RGB [H,W,3]."""
    address = locator.evaluate("canvas => canvas.toDataURL('image/png')")
    data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_one_person_twice_is_the_same_person(page: "Page", address: str):
    page.click("#example-same")
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    images = [encoded("eileen_collins.jpg"), encoded("eileen_collins_second.jpg")]
    answer = ask(address, "v1/compare", {"images": images})
    expect(page.locator(".distance b")).to_have_text(f"{answer['distance']:.3f}")
    expect(page.locator("#status")).to_contain_text("Same person")


def test_two_people_are_different(page: "Page"):
    page.click("#example-different")
    expect(page.locator(".verdict h2")).to_have_text("Different people")
    expect(page.locator(".sure")).to_contain_text("%")


def test_faces_are_boxed_with_five_landmarks_where_the_answer_says(page: "Page", address: str):
    page.click("#example-different")
    page.locator(".verdict").wait_for()
    names = ("eileen_collins.jpg", "grace_hopper.jpg")
    answer = ask(address, "v1/compare", {"images": [encoded(name) for name in names]})
    for index in (0, 1):
        overlay = slot(page, index).locator(".overlay")
        expect(overlay.locator("rect.box")).to_have_count(1)
        expect(overlay.locator("circle.point")).to_have_count(5)
        box = answer["images"][index]["faces"][0]["box"]
        assert float(overlay.locator("rect.box").get_attribute("x")) == box["left"]
        assert float(overlay.locator("rect.box").get_attribute("width")) == box["width"]


def rates(model: dict) -> list[float]:
    """The thresholds that were measured at a false-accept rate."""
    return [row["threshold"] for row in model["thresholds"]["table"]]


def test_the_scale_shows_distance_threshold_and_rates_in_their_places(page: "Page", address: str):
    page.click("#example-different")
    page.locator(".scale").wait_for()
    model = ask(address, "v1/model")
    shown = float(page.locator(".distance b").inner_text())
    assert percentage(page.locator(".needle"), "left") == pytest.approx(shown * 50, abs=0.06)
    threshold = model["thresholds"]["default"]
    assert percentage(page.locator(".limit"), "left") == pytest.approx(threshold * 50)
    distances = {float(mark.get_attribute("data-distance")) for mark in page.locator(".mark").all()}
    assert distances >= {*rates(model), threshold}


def test_the_labels_of_the_scale_do_not_cover_each_other(open_page: Callable[..., "Page"]):
    page = open_page(viewport={"width": 360, "height": 740})
    page.click("#example-different")
    page.locator(".mark").first.wait_for()
    boxes = [mark.bounding_box() for mark in page.locator(".mark:not([hidden])").all()]
    for one, other in pairwise(boxes):
        assert one["x"] + one["width"] <= other["x"]


def test_a_stricter_rate_asks_again_with_its_threshold(page: "Page", address: str):
    page.click("#example-different")
    page.locator(".choice input").first.wait_for()
    strictest = min(rates(ask(address, "v1/model")))
    with page.expect_request("**/v1/compare") as asked:
        page.locator(".choice input").first.check()
    assert asked.value.post_data_json["threshold"] == strictest
    expect(page.locator(".mark.chosen")).to_have_attribute("data-distance", str(strictest))
    expect(page.locator(".choice input").first).to_be_focused()
    assert percentage(page.locator(".limit"), "left") == pytest.approx(strictest * 50)


def test_every_face_of_the_second_photograph_can_be_matched(page: "Page"):
    page.locator(".options summary").click()
    page.select_option("#face-rule", "all")
    slot(page, 0).get_by_role("button", name="Sample: Grace Hopper").click()
    slot(page, 1).get_by_role("button", name="Sample: two people").click()
    page.locator(".verdict").wait_for()
    faces = slot(page, 1).locator(".face")
    expect(faces).to_have_count(2)
    expect(slot(page, 1).locator(".face.chosen")).to_have_count(1)
    # Grace Hopper stands on the right of that picture.
    left = float(slot(page, 1).locator(".face.chosen rect.box").get_attribute("x"))
    assert left > 504 / 2


def test_the_chips_show_what_the_model_is_shown(page: "Page", address: str):
    alignment = ask(address, "v1/model")["alignment"]
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    names = ("eileen_collins.jpg", "eileen_collins_second.jpg")
    answer = ask(address, "v1/compare", {"images": [encoded(name) for name in names]})
    for index, name in enumerate(names):
        given = answer["images"][index]["faces"][0]
        box = given["box"]
        corner = (box["left"] + box["width"], box["top"] + box["height"])
        points = np.array(given["landmarks"], np.float32)
        face = align.Face((box["left"], box["top"], *corner), points, given["score"])
        picture = align.decode((SAMPLES / name).read_bytes())
        expected = align.align(picture, face, made(alignment))
        drawn = cv2.resize(
            canvas_pixels(page.locator(".verdict .chip").nth(index)),
            expected.shape[:2],
            interpolation=cv2.INTER_AREA,
        )
        difference = np.abs(drawn.astype(float) - expected).mean()
        assert difference < CHIP_TOLERANCE


def made(alignment: dict[str, Any]) -> align.BoxAlignment | align.SimilarityAlignment:
    if alignment["kind"] == "box":
        return align.BoxAlignment(alignment["size"], alignment["margin"])
    return align.SimilarityAlignment(alignment["size"], alignment.get("template"))


def test_the_page_has_the_template_of_align():
    script = (SAMPLES.parent / "pictures.js").read_text()
    numbers = re.search(r"const TEMPLATE = \[(.*?)\];", script, re.DOTALL)[1]
    values = np.array([float(text) for text in re.findall(r"\d+\.\d+", numbers)])
    np.testing.assert_allclose(values.reshape(5, 2), TEMPLATE, atol=1e-4)


def test_two_photographs_dropped_together_fill_both_places(page: "Page"):
    files = page.evaluate_handle(
        """async (names) => {
            const transfer = new DataTransfer();
            for (const name of names) {
                const blob = await (await fetch(`static/samples/${name}`)).blob();
                transfer.items.add(new File([blob], name, { type: "image/jpeg" }));
            }
            return transfer;
        }""",
        ["eileen_collins.jpg", "grace_hopper.jpg"],
    )
    slot(page, 0).locator(".frame").dispatch_event("drop", {"dataTransfer": files})
    expect(page.locator(".verdict h2")).to_have_text("Different people")
    expect(slot(page, 1).locator(".caption")).to_contain_text("grace_hopper.jpg")


def test_a_photograph_can_be_chosen_as_a_file_and_removed(page: "Page"):
    slot(page, 0).locator("input[type=file]").set_input_files(SAMPLES / "grace_hopper.jpg")
    expect(slot(page, 0).locator(".caption")).to_contain_text("grace_hopper.jpg")
    slot(page, 0).get_by_role("button", name="Remove the first photograph").click()
    expect(slot(page, 0).locator("figure")).to_be_hidden()
    expect(slot(page, 0).locator("input[type=file]")).to_be_focused()


def large_photograph(folder: Path) -> Path:
    """A JPEG of 24 million pixels and over 6 MB that EXIF says to turn by 90 degrees."""
    noise = np.random.default_rng(1).integers(0, 256, (1000, 1500, 3), dtype=np.uint8)
    pixels = cv2.resize(noise, (6000, 4000), interpolation=cv2.INTER_NEAREST)
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    # One entry: tag 0x0112 (orientation), type SHORT, count 1, value 6.
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\x00\x00" + tiff + b"\x00\x00\x00\x00"
    path = folder / "large.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    assert path.stat().st_size > 6_000_000
    return path


def test_large_photographs_are_made_smaller_and_upright(page: "Page", tmp_path: Path):
    photograph = large_photograph(tmp_path)
    slot(page, 0).locator("input[type=file]").set_input_files(photograph)
    expect(slot(page, 0).locator(".caption")).to_contain_text("made smaller here", timeout=30_000)
    with page.expect_request("**/v1/compare", timeout=30_000) as asked:
        slot(page, 1).locator("input[type=file]").set_input_files(photograph)
    sent = asked.value.post_data
    assert len(sent) < REQUEST_BYTES
    for picture in json.loads(sent)["images"]:
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR)
        height, width = pixels.shape[:2]
        assert (height, width) == (1600, 1067)
    page.locator(".failure, .verdict").wait_for(timeout=30_000)


def test_a_small_photograph_is_sent_as_it_is(page: "Page"):
    with page.expect_request("**/v1/compare") as asked:
        page.click("#example-same")
    first = asked.value.post_data_json["images"][0]
    assert base64.b64decode(first) == (SAMPLES / "eileen_collins.jpg").read_bytes()
    page.locator(".verdict").wait_for()


def test_the_answer_is_shown_as_json_and_the_request_as_curl(page: "Page", address: str):
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    page.get_by_text("The answer as JSON").click()
    shown = json.loads(page.get_by_role("region", name="The answer as JSON").inner_text())
    assert shown["operation"] == "compare"
    page.get_by_text("The same with curl").click()
    command = page.get_by_role("region", name="The same with curl").inner_text()
    assert command.startswith(f"curl {address}v1/compare")
    assert command.count("-F images=@") == 2


def test_timings_and_model_stand_under_the_verdict(page: "Page", address: str):
    page.click("#example-same")
    timings = page.get_by_role("region", name="Timings and model")
    expect(timings).to_contain_text("detect")
    expect(timings).to_contain_text("round trip")
    expect(timings).to_contain_text(ask(address, "v1/model")["id"])


def test_the_page_works_behind_a_stage(open_page: Callable[..., "Page"], staged_address: str):
    page = open_page(base=staged_address)
    page.click("#example-same")
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    page.goto(staged_address.rstrip("/"))
    expect(page).to_have_url(staged_address)
    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_url(f"{staged_address}docs")
    expect(page.locator("article").first).to_be_visible()


def test_nothing_is_asked_of_another_origin(open_page: Callable[..., "Page"], address: str):
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    assert asked
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
