"""One photograph on the page, turned into a vector by the real function."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser


@pytest.fixture
def embedded(open_page: Callable[..., "Page"]) -> tuple["Page", list[list[float]]]:
    """The page with two faces embedded, and their vectors as the function answered them."""
    page = open_page("#embed", permissions=["clipboard-read", "clipboard-write"])
    with page.expect_response("**/v1/embed") as answered:
        page.locator("#single").get_by_role("button", name="Sample: two people").click()
    page.locator(".strip").wait_for()
    faces = answered.value.json()["images"][0]["faces"]
    return page, [face["embedding"] for face in faces]


def downloaded(page: "Page", label: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def fact(page: "Page", name: str) -> str:
    text: str = page.locator(".facts div", has_text=name).locator("dd").inner_text()
    return text


def test_the_strip_has_a_cell_for_every_number(embedded: Any):
    page, (vector, _) = embedded
    assert fact(page, "numbers") == str(len(vector))
    assert fact(page, "length") == "1.000"
    canvas = page.locator(".strip canvas")
    width, height = canvas.evaluate("canvas => [canvas.width, canvas.height]")
    assert width * height >= len(vector) > width * (height - 1)
    painted = canvas.evaluate(
        "canvas => new Set(new Uint32Array(canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"
    )
    assert painted > len(vector) / 4


def test_the_arrow_keys_read_the_vector(embedded: Any):
    page, (vector, _) = embedded
    strip = page.get_by_role("slider", name="Component of the vector")
    strip.focus()
    for key, index in [("Home", 0), ("ArrowRight", 1), ("ArrowDown", 65), ("End", len(vector) - 1)]:
        page.keyboard.press(key)
        words = f"component {index}: {vector[index]:.4f}"
        expect(strip).to_have_attribute("aria-valuetext", words)
        expect(page.locator(".strip-box output")).to_have_text(words)


@pytest.mark.parametrize(("key", "index"), [("ArrowRight", 1), ("ArrowDown", 64)])
def test_the_first_arrow_key_starts_at_the_first_component(embedded: Any, key: str, index: int):
    page, _ = embedded
    strip = page.get_by_role("slider", name="Component of the vector")
    expect(strip).to_have_attribute("aria-valuenow", "0")
    strip.press(key)
    expect(strip).to_have_attribute("aria-valuenow", str(index))


def test_a_tap_reads_the_component_under_it(open_page: Callable[..., "Page"]):
    page = open_page("#embed", has_touch=True)
    page.locator("#single .sample").first.tap()
    strip = page.get_by_role("slider", name="Component of the vector")
    box = strip.bounding_box()
    # The third cell of the first row.
    strip.tap(position={"x": box["width"] * 2.5 / 64, "y": 2})
    expect(page.locator(".strip-box output")).to_contain_text("component 2:")


def test_the_vector_is_copied_in_full(embedded: Any):
    page, (vector, _) = embedded
    page.get_by_role("button", name="Copy the vector").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == vector


def test_the_vector_is_kept_as_json_and_for_numpy(embedded: Any):
    page, (vector, _) = embedded
    name, data = downloaded(page, "Download JSON")
    assert name.endswith(".json")
    assert json.loads(data) == vector
    name, data = downloaded(page, "Download NPY")
    assert name.endswith(".npy")
    loaded = np.load(io.BytesIO(data))
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, np.array(vector, np.float32))


def test_each_face_has_its_own_vector(embedded: Any):
    page, (first, second) = embedded
    page.get_by_role("group", name="Face").get_by_role("radio", name="2").check()
    strip = page.get_by_role("slider", name="Component of the vector")
    expect(strip).to_have_attribute("aria-valuetext", f"component 0: {second[0]:.4f}")
    assert f"{first[0]:.4f}" != f"{second[0]:.4f}"
    expect(page.locator("#single .face.chosen")).to_have_count(1)
    expect(page.locator("#single .face")).to_have_count(2)
