"""A real Chromium, and the function's own HTTP server to show it the page."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.ports import free_port
from tests.browser.install_chromium import find_chromium
from tests.process_logs import LOGS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
START_SECONDS = 60
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that shows a test card; whether a page may use it is each test's choice.
    "--use-fake-device-for-media-stream",
    "--hide-scrollbars",
    "--font-render-hinting=none",
]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The base address of a local server that runs the real handler, with the page turned on."""
    yield from serve()


@pytest.fixture(scope="session")
def staged_address() -> Iterator[str]:
    """The same, behind the base path `prod`, as behind a stage of an API."""
    for base in serve(FACENET_BASE_PATH="prod"):
        yield f"{base}prod/"


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Headless Chromium, one for the whole session."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium: python -m tests.browser.install_chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser", address: str) -> Iterator[Callable[..., "Page"]]:
    """`open_page(path="", **context_options)`: the page, loaded, in a context of its own.

    Whatever the browser complains of (the content security policy, a missing file, an exception)
    fails the test at its end, but for answers of the API, which the page itself shows.
    """
    contexts = []
    complaints: list[str] = []

    def open_it(path: str = "", base: str = address, **options: Any) -> "Page":
        settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**settings, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.on("console", lambda message: note(message, complaints))
        page.goto(f"{base}{path}")
        if not path.startswith("docs"):
            page.locator("#model-line b").wait_for()
            # Also waits until the last thumbnail is there, after which nothing moves any more.
            page.locator("#compare .sample img[src]").nth(9).wait_for(state="attached")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Callable[..., "Page"]) -> "Page":
    """The page in light colours on a desktop."""
    return open_page()


def note(message: Any, complaints: list[str]) -> None:
    """Keeps errors and warnings, except the line Chromium writes for every failure of the API."""
    asked = str(message.location.get("url", ""))
    is_api = "/v1/" in asked or asked.endswith("/openapi.json")
    expected = is_api and message.text.startswith("Failed to load resource")
    if message.type in ("error", "warning") and not expected:
        complaints.append(f"{message.type}: {message.text}")


def serve(**environment: str) -> Iterator[str]:
    """Runs `python -m tools.serve` on a free port; ends it again."""
    port = free_port()
    log = LOGS.open("serve")
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.serve", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "FACENET_PAGE": "true", "FACENET_THREADS": "2", **environment},
        stdout=log,
        stderr=log,
    )
    base = f"http://127.0.0.1:{port}/"
    health = base + "v1/health"
    try:
        wait_until_healthy(process, health)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def wait_until_healthy(process: "subprocess.Popen[bytes]", health: str) -> None:
    """Returns when the server answers 200; fails where it answers anything else."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"tools.serve ended with exit status {process.returncode}")
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except urllib.error.HTTPError as refusal:
            with refusal:
                pytest.fail(f"the function is not healthy: {refusal.read().decode()}")
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"tools.serve did not answer within {START_SECONDS} s")
