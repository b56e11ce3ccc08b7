"""The whole page by keyboard alone, and what assistive technology is told of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

SAMPLES = Path(__file__).resolve().parents[2] / "handler" / "http" / "static" / "samples"
TIMEOUT = {"error": {"code": "Timeout", "message": "Too slow.", "details": {}, "retryable": True}}
REFUSED = {"error": {"code": "InvalidImage", "message": "No.", "details": {}, "retryable": False}}
# More steps of the Tab key than the page has places for it to stop.
MANY = 80
FOCUSED = "document.activeElement"
# The ring is on the element, or on the label that stands for a hidden input.
HAS_RING = """() => {
    const focused = document.activeElement;
    const shown = [focused, focused.closest("label")].filter(Boolean);
    return shown.some((element) => getComputedStyle(element).outlineStyle === "solid"
        && parseFloat(getComputedStyle(element).outlineWidth) >= 2);
}"""
DESCRIBE = """() => {
    const focused = document.activeElement;
    const name = focused.ariaLabel ?? focused.textContent.trim();
    return `${focused.tagName} ${focused.id || focused.className} ${name}`;
}"""


def tab_until(page: "Page", selector: str) -> None:
    """Presses Tab until the focus is on `selector`; fails where it never comes there."""
    for _ in range(MANY):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"the Tab key never reached {selector}")


def stops(page: "Page") -> list[str]:
    """Every place where Tab stops, from the top of the page to its end."""
    page.locator(".skip").focus()
    found: list[str] = [page.evaluate(DESCRIBE)]
    for _ in range(MANY):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            return found
        found.append(page.evaluate(DESCRIBE))
        assert page.evaluate(HAS_RING), f"no focus ring on {found[-1]}"
    pytest.fail(f"the Tab key does not leave the page: {found[-5:]}")


def test_the_first_stop_skips_to_the_photographs(page: "Page"):
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the photographs")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_comparison_by_keyboard_alone(page: "Page"):
    tab_until(page, "#pair .slot:nth-child(1) .sample")
    page.keyboard.press("Enter")
    tab_until(page, "#pair .slot:nth-child(2) .sample")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    tab_until(page, ".choice input")
    with page.expect_response("**/v1/compare"):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".choice input:focus")).to_have_count(1)
    tab_until(page, ".more summary")
    page.keyboard.press("Enter")
    expect(page.locator("details.more[open]")).to_have_count(1)


def test_the_tabs_follow_the_arrow_keys(page: "Page"):
    page.locator("#tab-compare").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-embed")).to_be_focused()
    expect(page.locator("#tab-embed")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="Embed")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="Compare")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-search")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-compare")).to_be_focused()


def test_every_stop_shows_a_ring_and_none_traps(page: "Page"):
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    found = stops(page)
    assert len(found) >= 20
    assert found[-1] == "SUMMARY  The same with curl"


def test_a_file_can_be_chosen_by_keyboard(page: "Page"):
    # Chromium reports a dialog only once it was told to; told just before the key, it may be late.
    page.on("filechooser", lambda _chooser: None)
    tab_until(page, "#pair .slot:nth-child(1) input[type=file]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    assert not chooser.value.is_multiple()


def test_the_focus_continues_from_a_control_that_the_photograph_hides(page: "Page"):
    slot = page.locator("#pair .slot").first
    slot.locator("input[type=file]").focus()
    slot.locator("input[type=file]").set_input_files(SAMPLES / "grace_hopper.jpg")
    expect(slot.locator(".remove")).to_be_focused()


def test_the_focus_continues_from_a_second_try(page: "Page"):
    page.route("**/v1/compare", lambda route: route.fulfill(status=503, json=TIMEOUT), times=2)
    page.click("#example-same")
    again = page.get_by_role("button", name="Try again")
    again.focus()
    with page.expect_response("**/v1/compare"):
        page.keyboard.press("Enter")
    expect(again).to_be_focused()
    page.keyboard.press("Enter")
    page.locator(".verdict").wait_for()
    expect(page.locator(".choice input:checked")).to_be_focused()


def test_the_focus_continues_from_a_second_try_that_is_refused(page: "Page"):
    # The last one registered answers first.
    page.route("**/v1/compare", lambda route: route.fulfill(status=422, json=REFUSED), times=1)
    page.route("**/v1/compare", lambda route: route.fulfill(status=503, json=TIMEOUT), times=1)
    page.click("#example-same")
    page.get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".failure code")).to_have_text("InvalidImage")
    expect(page.get_by_role("region", name="Error")).to_be_focused()


def test_an_answer_takes_no_focus_from_elsewhere(page: "Page"):
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    held: list[Route] = []
    page.route("**/v1/compare", lambda route: held.append(route), times=1)
    with page.expect_request("**/v1/compare"):
        page.locator(".choice input").first.check()
    expect(page.locator("#compare-result")).to_have_class("result waiting")
    page.locator(".options summary").focus()
    held[0].continue_()
    expect(page.locator("#compare-result")).to_have_class("result")
    expect(page.locator(".options summary")).to_be_focused()


def test_the_result_is_announced(page: "Page"):
    status = page.get_by_role("status")
    expect(status).to_have_attribute("aria-live", "polite")
    page.click("#example-different")
    expect(status).to_contain_text("Different people")


AXE_STATES: dict[str, Callable[["Page"], Any]] = {
    "empty": lambda page: None,
    "compared": lambda page: (page.click("#example-same"), page.locator(".verdict").wait_for()),
    "embedded": lambda page: (
        page.click("#tab-embed"),
        page.locator("#single .sample").nth(3).click(),
        page.locator(".strip").wait_for(),
    ),
    "failed": lambda page: (
        page.locator("#pair .slot").nth(0).locator(".sample").nth(0).click(),
        page.locator("#pair .slot").nth(1).locator(".sample").nth(4).click(),
        page.locator(".failure").wait_for(),
    ),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", AXE_STATES)
def test_axe_finds_nothing(open_page: Callable[..., "Page"], scheme: str, state: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(color_scheme=scheme)
    AXE_STATES[state](page)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert axe.run(page).response["violations"] == []


def test_axe_finds_nothing_in_the_reference(open_page: Callable[..., "Page"]):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page("docs")
    page.locator("article").first.wait_for()
    assert axe.run(page).response["violations"] == []
