"""What goes wrong is shown as the API said it, with the picture that it is about."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
expect = sync_api.expect
PICTURES = Path(__file__).resolve().parents[2] / "events" / "pictures"
pytestmark = pytest.mark.browser

TIMEOUT = {
    "error": {"code": "Timeout", "message": "Too slow.", "details": {}, "retryable": True},
    "request_id": "abc-123",
}
NO_MODEL = {
    "error": {
        "code": "ModelUnavailable",
        "message": "The model cannot be used.",
        "details": {},
        "retryable": False,
    },
    "request_id": "abc-123",
}
# The first comparison's answer begins, and ends where the page drops it.
CUT_ANSWER_OFF = """() => {
    const usual = window.fetch;
    window.fetch = async (path, options) => {
        if (path !== "v1/compare") return usual(path, options);
        window.fetch = usual;
        const start = (body) => options.signal.addEventListener("abort", () => {
            window.isCutOff = true;
            body.error(options.signal.reason);
        });
        return new Response(new ReadableStream({ start }));
    };
}"""


def slot(page: "Page", index: int) -> Any:
    return page.locator("#pair .slot").nth(index)


def sample(page: "Page", index: int, name: str) -> None:
    slot(page, index).get_by_role("button", name=f"Sample: {name}", exact=True).click()


def test_a_picture_without_a_face_is_named(page: "Page"):
    sample(page, 0, "Eileen Collins")
    sample(page, 1, "no face")
    failure = page.get_by_role("region", name="Error")
    expect(failure.locator("code")).to_have_text("FaceNotFound")
    expect(failure).to_contain_text("HTTP 422")
    expect(failure).to_contain_text("second photograph, image 1")
    expect(slot(page, 1)).to_have_class("slot warned")
    expect(slot(page, 0)).to_have_class("slot")
    expect(page.locator("#status")).to_contain_text("FaceNotFound")
    expect(failure.get_by_role("button")).to_have_count(0)


def test_the_mark_goes_when_the_picture_does(page: "Page"):
    sample(page, 0, "Eileen Collins")
    sample(page, 1, "no face")
    page.locator(".failure").wait_for()
    sample(page, 1, "Eileen Collins, altered copy")
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    expect(slot(page, 1)).to_have_class("slot")


def test_the_mark_goes_when_the_next_answer_is_a_good_one(page: "Page", tmp_path: Path):
    """A face of 14 pixels is too small to be found, and can be embedded as a crop."""
    crop = cv2.imread(str(PICTURES / "grace_hopper_face.jpg"))
    tiny = tmp_path / "tiny.png"
    cv2.imwrite(str(tiny), cv2.resize(crop, (14, 14), interpolation=cv2.INTER_AREA))
    sample(page, 0, "Eileen Collins")
    slot(page, 1).locator("input[type=file]").set_input_files(tiny)
    page.locator(".failure").wait_for()
    expect(slot(page, 1).locator(".caption")).to_contain_text("FaceNotFound")
    page.locator(".options summary").click()
    page.get_by_label("The pictures are face crops already").check()
    page.locator(".verdict").wait_for()
    expect(slot(page, 1)).to_have_class("slot")
    expect(slot(page, 1).locator(".caption")).to_contain_text("tiny.png ·")


def test_a_file_that_is_no_picture_gets_the_words_of_the_function(page: "Page", tmp_path: Path):
    text = tmp_path / "letter.jpg"
    text.write_text("Dear reader, this is no photograph. " * 20)
    slot(page, 0).locator("input[type=file]").set_input_files(text)
    sample(page, 1, "Eileen Collins")
    failure = page.get_by_role("region", name="Error")
    expect(failure.locator("code")).to_have_text("UnsupportedFormat")
    expect(failure).to_contain_text("first photograph, image 0")


def test_embed_names_the_error_too(page: "Page"):
    page.click("#tab-embed")
    page.locator("#single").get_by_role("button", name="Sample: no face").click()
    expect(page.locator("#embed-result code").first).to_have_text("FaceNotFound")


def test_what_passes_can_be_tried_again(page: "Page"):
    page.route("**/v1/compare", lambda route: route.fulfill(status=503, json=TIMEOUT), times=1)
    page.click("#example-same")
    failure = page.get_by_role("region", name="Error")
    expect(failure).to_contain_text("abc-123")
    failure.get_by_role("button", name="Try again").click()
    expect(page.locator(".verdict h2")).to_have_text("Same person")


def test_what_is_about_no_photograph_marks_none(page: "Page"):
    page.route("**/v1/embed", lambda route: route.fulfill(status=503, json=TIMEOUT), times=1)
    page.click("#tab-embed")
    page.locator("#single").get_by_role("button", name="Sample: Grace Hopper").click()
    page.locator(".failure").wait_for()
    expect(page.locator("#single .slot")).to_have_class("slot")
    expect(page.locator("#single .caption")).to_contain_text("Grace Hopper ·")


@pytest.mark.parametrize(
    ("status", "body"), [(413, '{"message":"Request Too Long"}'), (502, "<html>Bad gateway</html>")]
)
def test_a_gateway_that_answers_in_the_functions_place_is_shown(
    page: "Page", status: int, body: str
):
    page.route("**/v1/compare", lambda route: route.fulfill(status=status, body=body))
    page.click("#example-same")
    expect(page.locator(".failure code")).to_have_text(f"HTTP {status}")


def test_a_function_out_of_reach_is_said(page: "Page"):
    page.route("**/v1/compare", lambda route: route.abort())
    page.click("#example-same")
    expect(page.locator(".failure h2")).to_have_text("The function could not be reached.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_function_without_a_model_says_so_at_once(page: "Page"):
    page.route("**/v1/model", lambda route: route.fulfill(status=503, json=NO_MODEL))
    page.reload()
    expect(page.get_by_role("alert").first).to_have_text(
        "ModelUnavailable The model cannot be used."
    )


def test_a_model_that_is_there_later_is_introduced_then(page: "Page"):
    page.route("**/v1/model", lambda route: route.fulfill(status=503, json=NO_MODEL), times=1)
    page.reload()
    expect(page.locator("#startup")).to_contain_text("ModelUnavailable")
    page.click("#example-same")
    page.locator(".verdict").wait_for()
    expect(page.locator("#startup")).to_be_empty()
    expect(page.locator("#model-line")).to_contain_text("numbers")


def test_an_answer_dropped_halfway_is_no_error(page: "Page"):
    page.evaluate(CUT_ANSWER_OFF)
    page.click("#example-different")
    # Both photographs are there, and the question is asked.
    expect(slot(page, 1).locator(".caption")).to_contain_text("Grace Hopper")
    expect(page.locator("#compare-result")).to_have_class("result waiting")
    slot(page, 1).get_by_role("button", name="Remove the second photograph").click()
    assert page.evaluate("window.isCutOff")
    expect(page.locator("#compare-result")).to_be_empty()


def test_an_answer_that_comes_too_late_is_not_shown(page: "Page"):
    held: list[Route] = []
    page.route("**/v1/compare", lambda route: held.append(route), times=1)
    with page.expect_request("**/v1/compare"):
        page.click("#example-different")
    expect(page.locator("#compare-result")).to_have_class("result waiting")
    page.unroute("**/v1/compare")
    sample(page, 1, "Eileen Collins, altered copy")
    expect(page.locator(".verdict h2")).to_have_text("Same person")
    assert held
    expect(page.locator("#compare-result")).to_have_class("result")
