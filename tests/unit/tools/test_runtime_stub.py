"""The stub drives awslambdaric's real loop with small functions of its own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.runtime_stub import FunctionError, RuntimeStub

FUNCTIONS = """
import os

def echo(event, context):
    if event == "raise":
        raise KeyError("lost")
    if event == "exit":
        os._exit(3)
    return {
        "event": event,
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
        "setting": os.environ.get("FACENET_MODEL"),
    }
"""


@pytest.fixture
def functions(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "some_functions.py").write_text(FUNCTIONS)
    (tmp_path / "broken_function.py").write_text("raise RuntimeError('no model here')")
    return {"PYTHONPATH": str(tmp_path), "FACENET_MODEL": "a-model"}


@pytest.fixture
def log() -> Iterator[Any]:
    with tempfile.TemporaryFile("w+") as file:
        yield file


def test_events_go_in_and_answers_come_out_in_turn(functions: dict[str, str], log: Any) -> None:
    with RuntimeStub("some_functions.echo", settings=functions, log=log) as function:
        first = function.invoke({"images": ["ü" * 100_000]})
        second = function.invoke([2])
    assert first.payload["event"] == {"images": ["ü" * 100_000]}
    assert second.payload["event"] == [2]
    assert first.payload["id"] != second.payload["id"]
    assert first.payload["left"] > 1000
    assert first.payload["setting"] == "a-model"
    assert first.milliseconds > 0


def test_exception_of_the_function_is_told_and_the_next_event_works(
    functions: dict[str, str], log: Any
) -> None:
    with RuntimeStub("some_functions.echo", settings=functions, log=log) as function:
        with pytest.raises(FunctionError, match=r"KeyError.*lost"):
            function.invoke("raise")
        assert function.invoke("fine").payload["event"] == "fine"


def test_function_that_cannot_load_says_why(functions: dict[str, str], log: Any) -> None:
    with (
        RuntimeStub("broken_function.handler", settings=functions, log=log) as function,
        pytest.raises(FunctionError, match="no model here"),
    ):
        function.wait_until_ready()


def test_function_that_dies_is_noticed(functions: dict[str, str], log: Any) -> None:
    with (
        RuntimeStub("some_functions.echo", settings=functions, log=log) as function,
        pytest.raises(FunctionError, match="exit status 3"),
    ):
        function.invoke("exit")


def test_process_is_gone_after_closing(functions: dict[str, str], log: Any) -> None:
    with RuntimeStub("some_functions.echo", settings=functions, log=log) as function:
        process = function.invoke(None) and function._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
