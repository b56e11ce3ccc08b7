"""The API reference: everything that openapi.json says, and nothing that leads nowhere."""

import json
import re
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
pytestmark = pytest.mark.browser


@pytest.fixture
def document(address: str) -> Any:
    with urllib.request.urlopen(f"{address}openapi.json", timeout=30) as response:
        return json.load(response)


@pytest.fixture
def reference(open_page: Callable[..., "Page"]) -> "Page":
    page = open_page("docs")
    page.locator("article").first.wait_for()
    return page


def test_every_operation_has_its_answers_and_a_command(reference: "Page", document: Any):
    for path, item in document["paths"].items():
        for method, details in item.items():
            article = reference.get_by_role("article", name=f"{method.upper()} {path}", exact=True)
            expect(article).to_contain_text(details["summary"])
            for status in details["responses"]:
                row = article.get_by_role("rowheader", name=status, exact=True)
                expect(row).to_be_visible()
            expect(article.locator("pre").last).to_contain_text(reference.url[:-5])
            shown = re.sub(r"{(\w+)}", lambda name: name[1].upper(), path)
            expect(article.locator("pre").last).to_contain_text(shown)


def test_every_model_has_all_its_fields(reference: "Page", document: Any):
    for name, schema in document["components"]["schemas"].items():
        article = reference.locator(f"#model-{name}")
        heads = article.locator("tbody th code").all_inner_texts()
        assert heads == list(schema.get("properties", {})), name


def test_every_error_code_has_its_status(reference: "Page", document: Any):
    rows = reference.locator("#errors tbody tr").all_inner_texts()
    shown = {row.split()[0]: row.split()[1] for row in rows}
    codes = document["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]
    assert sorted(shown) == sorted(codes)
    assert shown["FaceNotFound"] == "422"


def test_every_link_leads_somewhere(reference: "Page"):
    for link in reference.locator("main a[href^='#']").all():
        target = link.get_attribute("href")
        assert reference.locator(f"[id='{target[1:]}']").count() == 1, target


def test_a_link_to_a_part_arrives_there(open_page: Callable[..., "Page"]):
    page = open_page("docs#model-CompareAnswer")
    expect(page.locator("#model-CompareAnswer")).to_be_in_viewport()


def test_a_link_to_nowhere_leaves_the_reference_as_it_is(open_page: Callable[..., "Page"]):
    page = open_page("docs#%")
    expect(page.locator("article").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_reference_is_not_read_out_whole(reference: "Page"):
    expect(reference.locator("[aria-live] article")).to_have_count(0)


def test_the_first_command_is_copied(open_page: Callable[..., "Page"]):
    page = open_page("docs", permissions=["clipboard-read", "clipboard-write"])
    article = page.get_by_role("article", name="POST /v1/compare", exact=True)
    article.get_by_role("button", name="Copy").click()
    expect(article.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == article.locator("pre").inner_text()


def test_a_document_that_cannot_be_had_is_said(reference: "Page"):
    reference.route("**/openapi.json", lambda route: route.abort())
    reference.reload()
    expect(reference.get_by_role("alert")).to_contain_text("The function could not be reached.")


def test_the_reference_fits_a_phone(open_page: Callable[..., "Page"]):
    page = open_page("docs", viewport={"width": 360, "height": 740})
    page.locator("article").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.locator("#contents")).to_be_hidden()
    page.get_by_text("Contents").click()
    expect(page.locator("#contents")).to_be_visible()


def test_the_contents_can_be_reached_when_a_phone_is_turned(open_page: Callable[..., "Page"]):
    page = open_page("docs", viewport={"width": 390, "height": 844})
    page.locator("article").first.wait_for()
    expect(page.locator("#contents")).to_be_hidden()
    page.set_viewport_size({"width": 844, "height": 390})
    expect(page.locator("#contents")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#contents")).to_be_hidden()
