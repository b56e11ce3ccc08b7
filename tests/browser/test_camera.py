"""The camera: taken, called off, denied, absent. Chromium's own test card stands before it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

# Replaces the camera before the page's own script runs.
BREAK_CAMERA = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "%s"); };
"""

# The camera's picture never comes, or comes to nothing.
HOLD_PLAY = "() => { HTMLMediaElement.prototype.play = () => new Promise(() => {}); }"
BREAK_PLAY = """() => {
    HTMLMediaElement.prototype.play = async () => { throw new Error("No picture came."); };
}"""


def first(page: "Page") -> Any:
    return page.locator("#pair .slot").first


def press_camera(page: "Page") -> None:
    first(page).get_by_role("button", name="Use the camera for the first photograph").click()


def test_a_photograph_is_taken(open_page: Callable[..., "Page"]):
    page = open_page(permissions=["camera"])
    press_camera(page)
    take = page.get_by_role("button", name="Take it")
    expect(take).to_be_focused()
    take.click()
    expect(page.locator("#camera")).to_be_hidden()
    expect(first(page).locator(".caption")).to_contain_text("from the camera")
    expect(first(page).locator("figure")).to_be_visible()
    # What opened the camera is hidden by the photograph.
    expect(first(page).locator(".remove")).to_be_focused()


def test_escape_calls_it_off_and_gives_the_camera_back(open_page: Callable[..., "Page"]):
    page = open_page(permissions=["camera"])
    press_camera(page)
    expect(page.get_by_role("button", name="Take it")).to_be_focused()
    track = page.evaluate_handle("document.querySelector('video').srcObject.getTracks()[0]")
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()
    expect(first(page).locator("figure")).to_be_hidden()
    expect(first(page).locator(".camera")).to_be_focused()
    assert track.evaluate("track => track.readyState") == "ended"


def test_a_camera_called_off_before_its_first_frame_is_given_back(
    open_page: Callable[..., "Page"],
):
    page = open_page(permissions=["camera"])
    page.evaluate(HOLD_PLAY)
    press_camera(page)
    expect(page.locator("#camera")).to_be_visible()
    expect(page.get_by_role("button", name="Take it")).to_be_disabled()
    track = page.evaluate_handle("document.querySelector('video').srcObject.getTracks()[0]")
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()
    page.wait_for_function("track => track.readyState === 'ended'", arg=track)
    assert page.evaluate("document.querySelector('video').srcObject") is None
    expect(first(page).locator(".caption")).to_be_empty()


def test_a_camera_without_a_picture_closes_its_dialog_and_says_why(
    open_page: Callable[..., "Page"],
):
    page = open_page(permissions=["camera"])
    page.evaluate(BREAK_PLAY)
    press_camera(page)
    expect(first(page).locator(".caption")).to_have_text("No picture came.")
    expect(page.locator("#camera")).to_be_hidden()


def test_a_denied_camera_is_said_with_what_to_do(page: "Page"):
    press_camera(page)
    expect(first(page).locator(".caption")).to_contain_text("The camera was refused.")
    expect(first(page).locator(".caption")).to_contain_text("choose a file")
    expect(page.locator("#camera")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "words"),
    [("NotFoundError", "No camera was found."), ("NotReadableError", "in use by another program")],
)
def test_a_camera_that_cannot_be_had_is_said(page: "Page", name: str, words: str):
    page.add_init_script(BREAK_CAMERA % name)
    page.reload()
    press_camera(page)
    expect(first(page).locator(".caption")).to_contain_text(words)
