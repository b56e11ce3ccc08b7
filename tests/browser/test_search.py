"""People enrolled on the page, a group photograph named, a person deleted: by the real function."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import ROOT, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser

SAMPLES = ROOT / "handler/http/static/samples"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[str]:
    """A server with collections of its own."""
    yield from serve(FACENET_COLLECTIONS=str(tmp_path / "collections"))


@pytest.fixture
def page(open_page: Callable[..., "Page"], kept: str) -> "Page":
    shown = open_page("#search", base=kept)
    expect(shown.locator("#gallery")).to_have_text("0 people, 0 faces.")
    return shown


def enrol(page: "Page", name: str, *files: str) -> None:
    page.get_by_label("Name").fill(name)
    page.locator("input[name=pictures]").set_input_files([SAMPLES / file for file in files])
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator("#persons li", has_text=name)).to_be_visible()


def search(page: "Page", sample: str) -> None:
    page.locator("#group").get_by_role("button", name=f"Sample: {sample}", exact=True).click()
    page.locator(".found").wait_for()


def names(page: "Page") -> list[str]:
    found: list[str] = page.locator("#group .overlay .name").all_text_contents()
    return sorted(found)


def test_faces_of_a_group_photograph_are_named(page: "Page") -> None:
    enrol(page, "Eileen Collins", "eileen_collins.jpg", "eileen_collins_second.jpg")
    enrol(page, "Grace Hopper", "grace_hopper.jpg")
    expect(page.locator("#gallery")).to_have_text("2 people, 3 faces.")
    search(page, "two people")
    assert names(page) == ["Eileen Collins", "Grace Hopper"]
    expect(page.locator(".gallery-line")).to_contain_text(
        re.compile(r"2 people enrolled: a match is at most \d\.\d\d away.*1 in 100 times")
    )


def test_a_deleted_person_is_a_stranger_again(page: "Page") -> None:
    enrol(page, "Eileen Collins", "eileen_collins.jpg")
    enrol(page, "Grace Hopper", "grace_hopper.jpg")
    search(page, "two people")
    page.get_by_role("button", name="Delete Grace Hopper").click()
    expect(page.locator("#gallery")).to_have_text("1 person, 1 face.")
    expect(page.locator(".found .stranger")).to_have_count(1)
    assert names(page) == ["Eileen Collins", "unknown"]


def test_a_picture_without_a_face_says_so(page: "Page") -> None:
    page.get_by_label("Name").fill("Nobody")
    page.locator("input[name=pictures]").set_input_files(SAMPLES / "no_face.jpg")
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator("#enrol-problem")).to_contain_text("no_face.jpg")
    expect(page.locator("#gallery")).to_have_text("0 people, 0 faces.")


def test_a_name_is_never_markup(page: "Page") -> None:
    enrol(page, "<img src=x> & 'a/b'", "eileen_collins.jpg")
    search(page, "Eileen Collins")
    assert names(page) == ["<img src=x> & 'a/b'"]
    page.get_by_role("button", name="Delete <img src=x> & 'a/b'").click()
    expect(page.locator("#gallery")).to_have_text("0 people, 0 faces.")
