"""Takes each permission out of template.yaml, one at a time, and shows that a test notices.

    make test-deploy                            # all of it: it records which test shows what
    .venv/bin/python -m tests.deploy.mutate_template [--control] [WORD...]

Each time a copy of the repository, whose template lacks one permission, is deployed by `sam deploy`
to a fresh emulator, and the test that shows this permission has to fail there. For what no emulator
takes, tests/contract/test_template.py has to fail. Prints a table: the permission, and what failed.
About half an hour for all on two idle cores; WORDs choose permissions by a part of their name.
With `--control` each test function first has to pass alone on the template as it is.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.emulator import ROOT, TOOLS
from tests.deploy.permissions import RECORD
from tests.deploy.report import CONTRACT
from tests.deploy.template_text import Permission, all_permissions, read, without_permission
from tools.shared import SHARED

FAILED = ("FAILED ", "ERROR ")


class ControlError(RuntimeError):
    """A test does not pass alone on the template as it is, so its failure would say nothing."""


@dataclass(frozen=True)
class Copy:
    """A copy of the repository to change the template of."""

    folder: Path
    passed: set[str] = field(default_factory=set)

    def check(self, test: str) -> None:
        """A test passes alone on the template as it is, asked once. Raises ControlError."""
        function = test.partition("[")[0]
        if function in self.passed:
            return
        self.write(read())
        reason = self.run(test)
        if reason is not None:
            raise ControlError(f"{test}: {reason}")
        self.passed.add(function)

    def failure(self, permission: Permission, test: str) -> str | None:
        """How a test fails without a permission; None where it passes."""
        self.write(without_permission(read(), permission))
        return self.run(test)

    def write(self, template: str) -> None:
        (self.folder / "template.yaml").write_text(template, encoding="utf-8")

    def run(self, test: str) -> str | None:
        """How a test fails; None where it passes."""
        command = [sys.executable, "-m", "pytest", "--tb=no", "-rfEs", "-p", "no:cacheprovider"]
        left_out = {"CI", "PYTHONPATH", "PYTEST_CURRENT_TEST"}
        environment = {name: os.environ[name] for name in os.environ if name not in left_out}
        environment |= {"TOOLS": str(TOOLS), "FACENET_SHARED": str(SHARED), "COLUMNS": "300"}
        done = subprocess.run(
            [*command, test], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        if done.returncode == 0 and " skipped" not in done.stdout:
            return None
        found = [line for line in done.stdout.splitlines() if line.startswith(FAILED)]
        if done.returncode != 1 or not found or "TimeoutExpired" in found[0]:  # sam was too slow
            raise ControlError(f"{test}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return found[0].partition(" - ")[2] or found[0]


@contextmanager
def copy() -> Iterator[Copy]:
    """What git tracks here, as it stands, and what it would track."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                target = Path(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        yield Copy(Path(folder))


def tests_by_permission() -> dict[Permission, str]:
    """Which test has to fail without which permission."""
    shown = {Permission(*row[:3]): row[3] for row in json.loads(RECORD.read_text())}
    contract = dict.fromkeys(all_permissions(deployed=False), CONTRACT)
    return {where: (shown | contract)[where] for where in sorted(shown | contract)}


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    if not RECORD.exists():
        print(f"{RECORD} is missing: run all of make test-deploy first", file=sys.stderr)
        return 2
    unnoticed = []
    print("| permission | test | without it | s |\n|---|---|---|---|")
    with copy() as here:
        for where, test in tests_by_permission().items():
            if options.words and not any(word in str(where) for word in options.words):
                continue
            if options.control:
                here.check(test)
            started = time.monotonic()
            reason = here.failure(where, test)
            unnoticed += [] if reason else [where]
            name = test.rpartition("::")[2].partition("[")[0] or test
            seconds = time.monotonic() - started
            print(f"| {where} | {name} | {reason or '**passes**'} | {seconds:.0f} |", flush=True)
    for where in unnoticed:
        print(f"nothing notices that {where} is gone")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
