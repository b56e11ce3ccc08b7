"""One emulator and one stack for the whole session: each stage updates what the last one left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.emulator import Emulator, EmulatorError, running
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.template_text import all_permissions
from tests.deploy.workload import Workload
from tests.needs import not_here

# The stages in the order in which a stack lives. A bucket that it gives up stays, and keeps a later
# stage from making it again: what needs collections comes first, then what needs uploads.
STAGES = (
    "test_extension",
    "test_creation",
    "test_callers",
    "test_search",
    "test_phone_pictures",
    "test_rest_api",
    "test_flow",
    "test_dashboard",
    "test_backfill",
    "test_permissions",
    "test_output_owner",
    "test_updates",
    "test_template_text",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(item.fspath).parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.deploy)
    order = {item: at for at, item in enumerate(items)}
    items.sort(key=lambda item: (stage(item) if item in here else -1, order[item]))


def stage(item: pytest.Item) -> int:
    name = Path(item.fspath).stem
    return STAGES.index(name) if name in STAGES else len(STAGES)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    try:
        with running(tmp_path_factory.mktemp("ministack")) as started:
            yield started
    except EmulatorError as reason:
        not_here(f"no emulator: {reason}")


@pytest.fixture(scope="session")
def stack(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, not yet deployed."""
    stack = Stack(emulator, tmp_path_factory.mktemp("project"))
    yield stack
    stack.stop_function()
    REPORT.host, REPORT.history = stack.host, stack.history
    REPORT.not_deployed = [str(each) for each in all_permissions(deployed=False)]


@pytest.fixture(scope="module")
def batch(stack: Stack) -> Workload:
    """The stack with `Batch=yes`."""
    stack.require(Batch="yes")
    return Workload(stack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was deployed, called, broken and healed."""
    for line in REPORT.lines():
        terminalreporter.write_line(line)
