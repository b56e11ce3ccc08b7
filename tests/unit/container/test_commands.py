"""Commands that the container commands are made of, and what they end with."""

import contextlib
import sys
from collections.abc import Iterator

import pytest

from container import __main__ as command_line
from container.engine import EngineUnavailableError
from container.shell import run

BOTH = ["sh", "-c", "echo one; echo two >&2"]


def test_standard_error_is_left_out_or_merged() -> None:
    assert run(BOTH) == "one\n"
    assert run(BOTH, merged=True) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("command", "ci", "status"),
    [("test", "", 0), ("test", "true", 1), ("build", "", 1), ("local-api", "", 1)],
)
def test_only_tests_are_skipped_for_want_of_an_engine(
    command: str, ci: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def no_engine() -> Iterator[None]:
        raise EngineUnavailableError("no engine here")
        yield

    monkeypatch.setattr(command_line, "engine", no_engine)
    monkeypatch.setattr(sys, "argv", ["container", command])
    monkeypatch.setenv("CI", ci)
    assert command_line.main() == status
