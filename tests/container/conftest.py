"""The images, built once; the emulator around them, and the same function in this process.

They use the Docker engine that answers. Without one these tests skip, and fail in CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fixtures import lambda_container
from fixtures.lambda_container import EVENTS, LambdaContainer
from image import build
from image.commands import EngineUnavailableError, require_engine
from tests.deploy.report import REPORT
from tests.needs import not_here
from tests.process_logs import LOGS
from tools import local_api
from tools.sam_template import BUILT, read_template

ROOT = Path(__file__).resolve().parents[2]
# Addresses that nothing listens on: whatever wants S3 fails at once, here and in the container.
NO_AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
Starter = Callable[..., LambdaContainer]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.container)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What test_deployed.py deployed and called."""
    for line in REPORT.lines():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers."""
    try:
        require_engine()
    except EngineUnavailableError as reason:
        not_here(str(reason))


@pytest.fixture(scope="session")
def image(engine: None) -> str:
    """Tag of the `litert` target, as `sam build` makes it."""
    assert "Build Succeeded" in local_api.sam("build", timeout=3600)
    tag: str = read_template(BUILT)["Resources"][local_api.FUNCTION]["Properties"]["ImageUri"]
    return tag


@pytest.fixture(scope="session")
def tensorflow_image(engine: None) -> str:
    """Tag of the `tensorflow` target, as `make image` builds it."""
    return build.build("tensorflow")


@pytest.fixture
def start(image: str) -> Iterator[Starter]:
    """`start(size=..., environment=...)` runs the image; it is removed after the test."""
    started: list[LambdaContainer] = []

    def run(**options: Any) -> LambdaContainer:
        tag = options.pop("image", image)
        options["environment"] = NO_AWS | options.get("environment", {})
        started.append(lambda_container.start(tag, **options))
        return started[-1]

    yield run
    for container in started:
        LOGS.keep("container", container.logs())
        container.remove()


@pytest.fixture(scope="session")
def event() -> Callable[[str], Any]:
    """`event("compare-same")` reads events/compare-same.json."""
    return lambda name: json.loads((ROOT / "events" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def in_process() -> Callable[[str], Any]:
    """`in_process("embed")`: the answer to an event file by the code of this checkout."""
    answers = answer_here(EVENTS)
    return lambda name: answers[name]


def answer_here(names: Sequence[str], **settings: str) -> dict[str, Any]:
    """The answers to event files by the code of this checkout, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("answer_here.py")), *names],
        cwd=ROOT,
        env={**os.environ, **NO_AWS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", **settings},
        capture_output=True,
        check=True,
        text=True,
    )
    log, _, last = done.stdout.rstrip().rpartition("\n")
    LOGS.keep("answer_here", log + done.stderr)
    answers: dict[str, Any] = json.loads(last)
    return answers
