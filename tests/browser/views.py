"""What is photographed of the page: for the README, for CI, and as references."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Set, it makes the test of appearance take pictures and compare none.
RENEW = "FACENET_RENEW_SCREENSHOTS"
REFERENCES = Path(__file__).resolve().parent / "references"
# Large enough to tell a lost part from a shifted one, small enough to be kept in git.
REFERENCE_SHARE = 1 / 8

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}


@dataclass(frozen=True)
class View:
    """One state of the page.

    Attributes:
        name: of its PNG.
        act: brings the loaded page into that state.
        path: what is opened, relative to the page.
        context: options of the browser's context: viewport, colour scheme.
        full_page: to the end of the page, or only what a reader sees first.
    """

    name: str
    act: Callable[["Page"], Any]
    path: str = ""
    context: dict[str, Any] = field(default_factory=lambda: DESKTOP)
    full_page: bool = True


def nothing(page: "Page") -> None:
    """The page as it opens."""


def compare_same(page: "Page") -> None:
    page.click("#example-same")
    settle(page, ".verdict")


def compare_different(page: "Page") -> None:
    page.click("#example-different")
    settle(page, ".verdict")


def embed_two(page: "Page") -> None:
    page.locator("#single").get_by_role("button", name="Sample: two people").click()
    settle(page, ".strip")


def fail(page: "Page") -> None:
    page.locator("#pair .slot").nth(0).locator(".sample").nth(0).click()
    page.locator("#pair .slot").nth(1).locator(".sample").nth(4).click()
    settle(page, ".failure")


def read(page: "Page") -> None:
    page.locator("article").first.wait_for()


def settle(page: "Page", selector: str) -> None:
    """Waits for `selector`, takes the pointer away and shows the page from its top."""
    page.locator(selector).wait_for()
    page.locator(".result.waiting").wait_for(state="detached")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")


# Down to the scale; what is below it is for readers of the page itself.
README = {"viewport": {"width": 1280, "height": 1306}}
DARK = {**DESKTOP, "color_scheme": "dark"}
VIEWS = (
    View("empty", nothing),
    View("same", compare_same),
    View("different-dark", compare_different, context=DARK),
    View("embed", embed_two, "#embed"),
    View("embed-dark", embed_two, "#embed", DARK),
    View("error", fail),
    View("phone-empty", nothing, context=PHONE),
    View("phone-same", compare_same, context=PHONE),
    View("readme", compare_same, context=README, full_page=False),
    View("docs", read, "docs", full_page=False),
)


def shrink(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """BGR uint8 [H,W,3] at the references' scale, averaged."""
    share = REFERENCE_SHARE
    small = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
