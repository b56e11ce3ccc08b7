"""Quick starts of the README and docs (`<!-- quick start: NAME -->`), run as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BLOCK = re.compile(
    r"<!-- quick start: (?P<name>[a-z0-9-]+) -->\s*```(?P<kind>\w+)\n(?P<code>.*?)```", re.S
)
PATIENCE_S = 300


def read_block(readme: Path, name: str) -> tuple[str, str]:
    """Language and code of the block `name`. Raises AssertionError where there is none."""
    found = next(
        (block for block in BLOCK.finditer(readme.read_text()) if block["name"] == name), None
    )
    assert found, f"{readme.name} has no <!-- quick start: {name} -->"
    return found["kind"], found["code"]


def run_block(
    root: Path,
    folder: Path,
    name: str,
    replace: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
    document: str = "README.md",
) -> str:
    """Runs the block `name` in `folder`, beside this clone's files, and gives what it prints.

    Args:
        replace: What stands for a reader's own names and addresses; each has to be in the block.
        settings: Added to the environment.
        document: The file that holds the block.
    """
    for own in ("events", "tools"):
        if not (folder / own).exists():
            (folder / own).symlink_to(root / own)
    kind, code = read_block(root / document, name)
    for theirs, ours in replace.items():
        assert theirs in code, f"the block {name} does not speak of {theirs}"
        code = code.replace(theirs, ours)
    command = ["bash", "-euc"] if kind == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, code],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            **(settings or {}),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
