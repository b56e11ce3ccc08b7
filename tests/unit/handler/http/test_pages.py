"""The page's files: what is served, what is not, and under which headers."""

import re
from types import SimpleNamespace

import pytest

from handler.errors import ApiError
from handler.http import pages
from handler.http.message import TEXT_TYPES, HttpRequest, HttpResponse
from handler.http.routes import find_endpoint
from handler.invocation import Invocation
from handler.settings import Settings

SAMPLE_BYTES = 40_000


PATHS = sorted(pages.addresses())
MARKUP = sorted(pages.PAGES)
TEXTS = [path for path in PATHS if pages.serve(path).content_type.startswith(TEXT_TYPES)]


def test_both_pages_are_html():
    for path in ("/", "/docs"):
        answer = pages.serve(path)
        assert answer is not None
        assert answer.status == 200
        assert answer.content_type == "text/html; charset=utf-8"
        assert answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", PATHS)
def test_every_file_forbids_all_but_its_own_origin(path: str):
    policy = pages.serve(path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", PATHS)
def test_the_version_that_the_caller_holds_is_not_sent_again(path: str):
    first = pages.serve(path)
    again = pages.serve(path, if_none_match=f'W/{first.headers["etag"]}, "other"')
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("path", PATHS)
def test_another_version_is_sent(path: str):
    assert pages.serve(path, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages.py",
        "/static/index.html",
        "/static/",
        "/static/samples",
        "//",
        "/docs/",
        "/static/app.js\x00",
    ],
)
def test_nothing_but_the_set_is_served(path: str):
    assert pages.serve(path) is None


@pytest.mark.parametrize("path", MARKUP)
def test_markup_holds_no_script_or_style_that_the_policy_would_block(path: str):
    markup = pages.serve(path).body.decode()
    assert not re.search(r"<script(?![^>]*\ssrc=)", markup)
    assert not re.search(r"<style|\sstyle=|\son\w+=", markup)


@pytest.mark.parametrize("path", TEXTS)
def test_every_address_in_the_set_is_relative_and_exists(path: str):
    text = pages.serve(path).body.decode()
    for address in re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", text):
        if address.startswith("data:") or address in ("./", "docs", "openapi.json"):
            continue
        assert pages.serve(f"/{address}") is not None, address
    for name in re.findall(r"""from "\./([^"]+)";""", text):
        assert pages.serve(f"/static/{name}") is not None, name


def request(path: str, stage: str = "", **headers: str) -> HttpRequest:
    return HttpRequest("v2", "GET", path, stage, headers, {}, "", False)


def ask(path: str, *, page: bool = True, stage: str = "", **headers: str) -> HttpResponse:
    """What the route of `path` answers, as the table of routes finds it."""
    asked, settings = request(path, stage, **headers), Settings(page=page)
    endpoint = find_endpoint(asked, settings)[1]
    return endpoint(asked, SimpleNamespace(settings=settings), Invocation())


@pytest.mark.parametrize("path", PATHS)
def test_the_page_is_off_unless_it_is_turned_on(path: str):
    assert ask(path).status == 200
    with pytest.raises(ApiError) as refusal:
        ask(path, page=False)
    assert (refusal.value.code, refusal.value.status) == ("RouteNotFound", 404)


@pytest.mark.parametrize(
    ("path", "target"),
    [("/prod/", None), ("/prod", "prod/"), ("/prod/docs", None), ("/prod/docs/", "../docs")],
)
def test_an_address_behind_a_stage_ends_where_relative_addresses_hold(path, target):
    response = ask(path, stage="prod")
    assert response.status == (308 if target else 200)
    assert response.headers.get("location") == target


def test_samples_are_small():
    samples = [path for path in PATHS if path.startswith("/static/samples/")]
    assert samples
    for path in samples:
        assert len(pages.serve(path).body) <= SAMPLE_BYTES, path
        assert pages.serve(path).content_type == "image/jpeg"


def test_every_sample_that_the_page_offers_exists():
    script = pages.serve("/static/slot.js").body.decode()
    names = re.findall(r'file: "([^"]+)"', script)
    assert len(names) >= 4
    for name in names:
        assert pages.serve(f"/static/samples/{name}") is not None, name
