"""How the page looks: on a phone, in the dark, and beside the committed screenshots."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from tests.browser.conftest import SCREENSHOTS
from tests.browser.views import REFERENCES, RENEW, VIEWS, View, shrink

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Fonts, the model and its figures differ between machines and releases; a lost style sheet, an
# empty picture or a missing part differ by far more (9 to 48 of 255 without its style sheet).
TOLERANCE = 7.0
# WCAG 2.2, 2.5.8: the least size of what a finger has to hit.
TARGET = 24


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_page_looks_as_it_did(open_page: Callable[..., "Page"], view: View):
    page = open_page(view.path, **view.context)
    view.act(page)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{view.name}.png"
    page.screenshot(path=path, full_page=view.full_page)
    if os.environ.get(RENEW):
        return
    expected = cv2.imread(str(REFERENCES / f"{view.name}.png"))
    assert expected is not None, "no reference: python -m tests.browser.screenshots"
    found = shrink(cv2.imread(str(path)))
    height = min(len(found), len(expected))
    assert abs(len(found) - len(expected)) < len(expected) / 8
    difference = np.abs(found[:height].astype(float) - expected[:height]).mean()
    assert difference < TOLERANCE


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_has_to_be_scrolled_sideways(open_page: Callable[..., "Page"], width: int):
    page = open_page(viewport={"width": width, "height": 844})
    page.locator(".options summary").click()
    page.click("#example-different")
    page.locator(".verdict").wait_for()
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#tab-embed")
    page.locator("#single .sample").nth(3).click()
    page.locator(".strip").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_comparison_on_a_phone(open_page: Callable[..., "Page"]):
    page = open_page(**PHONE)
    page.locator("#example-same").tap()
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    expect(page.locator(".verdict h2")).to_be_in_viewport()


def test_everything_can_be_hit_with_a_finger(open_page: Callable[..., "Page"]):
    page = open_page(**PHONE)
    page.locator("#example-same").tap()
    page.locator(".verdict").wait_for()
    for control in page.locator("button, summary, select, .button, .choice label, .check").all():
        box = control.bounding_box()
        if not box or not box["width"]:
            continue  # in a fold that is closed, or in the other tab
        assert min(box["width"], box["height"]) >= TARGET, control.inner_text()


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_the_page_follows_the_colour_scheme(
    open_page: Callable[..., "Page"], scheme: str, is_light: bool
):
    page = open_page(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(text) for text in ground.removeprefix("rgb(").rstrip(")").split(",")]
    assert (min(levels) > 200) is is_light
    assert (max(levels) < 60) is not is_light


def test_a_strip_is_painted_again_in_the_dark(page: "Page"):
    page.click("#tab-embed")
    page.locator("#single .sample").first.click()
    canvas = page.locator(".strip canvas")
    canvas.wait_for()
    light: Any = canvas.evaluate("canvas => canvas.toDataURL()")
    page.emulate_media(color_scheme="dark")
    # The page hears of the change some frames later; this times out where it never paints again.
    page.wait_for_function(
        "light => document.querySelector('.strip canvas').toDataURL() !== light", arg=light
    )


def test_the_picture_of_the_readme_exists():
    picture = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "page.png"
    pixels = cv2.imread(str(picture))
    assert pixels is not None
    assert picture.stat().st_size < 600_000
