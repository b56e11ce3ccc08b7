"""What is removed from the page is gone from its memory: photographs and vectors are biometric."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

# Every bitmap that the page makes, to see which of them still hold pixels.
KEEP_BITMAPS = """() => {
    const usual = window.createImageBitmap;
    window.bitmaps = [];
    window.createImageBitmap = async (...given) => {
        const bitmap = await usual(...given);
        window.bitmaps.push(bitmap);
        return bitmap;
    };
}"""
WIDTHS = "() => window.bitmaps.map((bitmap) => bitmap.width)"
ONE_OF_TWO_IS_CLOSED = """() => window.bitmaps.length === 2
    && window.bitmaps.filter((bitmap) => bitmap.width > 0).length === 1"""


@pytest.fixture
def single(open_page: Callable[..., "Page"]) -> Any:
    """The one photograph's place on the Embed tab."""
    page = open_page("#embed")
    page.evaluate(KEEP_BITMAPS)
    return page.locator("#single .slot")


def embed(slot: Any, name: str) -> None:
    slot.get_by_role("button", name=f"Sample: {name}", exact=True).click()
    slot.page.locator(".strip").wait_for()


def test_a_removed_photograph_leaves_no_pixels(single: Any):
    embed(single, "Grace Hopper")
    single.get_by_role("button", name="Remove the photograph").click()
    size = single.locator("canvas").evaluate("canvas => [canvas.width, canvas.height]")
    assert size == [0, 0]
    expect(single.locator(".overlay")).to_be_empty()
    assert single.locator("canvas").get_attribute("aria-label") is None
    assert single.page.evaluate(WIDTHS) == [0]


def test_a_file_that_is_no_picture_leaves_none_of_the_last(single: Any, tmp_path: Path):
    embed(single, "Grace Hopper")
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear reader, this is no photograph. " * 20)
    single.locator("input[type=file]").set_input_files(letter)
    expect(single.locator(".caption")).to_contain_text("UnsupportedFormat")
    assert single.locator("canvas").evaluate("canvas => canvas.width") == 0
    assert single.page.evaluate(WIDTHS) == [0]


def test_a_photograph_overtaken_by_another_is_closed(single: Any):
    samples = single.locator(".sample")
    samples.evaluate_all("([first, second]) => { first.click(); second.click(); }")
    expect(single.locator(".caption")).to_contain_text("altered copy")
    single.page.wait_for_function(ONE_OF_TWO_IS_CLOSED)


def test_a_photograph_that_cannot_be_reduced_is_closed(single: Any, tmp_path: Path):
    single.page.evaluate("() => { HTMLCanvasElement.prototype.toBlob = (done) => done(null); }")
    long = tmp_path / "long.png"
    cv2.imwrite(str(long), np.zeros((4, 2100, 3), np.uint8))
    single.locator("input[type=file]").set_input_files(long)
    expect(single.locator(".caption")).to_contain_text("cannot be made small enough")
    assert single.page.evaluate(WIDTHS) == [0]


def test_nothing_holds_a_strip_that_is_gone(single: Any):
    page = single.page
    embed(single, "Grace Hopper")
    page.evaluate("() => { window.old = new WeakRef(document.querySelector('.strip canvas')); }")
    single.get_by_role("button", name="Remove the photograph").click()
    expect(page.locator("#embed-result")).to_be_empty()
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    assert page.evaluate("window.old.deref() === undefined")
