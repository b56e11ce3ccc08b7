"""Commands and progress lines: the only module of this folder that starts processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
# Where the Makefile keeps the environments of tools, relative to ROOT or not.
TOOLS = os.environ.get("TOOLS", "build/venv")
SAM = ROOT / TOOLS / "sam"

_BEGIN = time.monotonic()


class CommandError(RuntimeError):
    """A command ended with another status than 0; the message holds the end of its output."""


def say(text: str) -> None:
    """Prints one progress line with the seconds since the start."""
    print(f"[{time.monotonic() - _BEGIN:5.0f}s] {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
    cwd: Path = ROOT,
    merged: bool = False,
) -> str:
    """Standard output of a command, and standard error in between where they are `merged`.

    Raises:
        CommandError: it failed, or took longer than `timeout` seconds.
    """
    return complete(command, env=env, timeout=timeout, cwd=cwd, merged=merged).stdout


def complete(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
    cwd: Path = ROOT,
    merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """As `run`; standard error comes apart.

    Raises:
        CommandError: it failed, or took longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(f"{' '.join(command)}: not done after {timeout:.0f} s") from late
    if done.returncode:
        tail = (done.stdout + (done.stderr or ""))[-4000:]
        raise CommandError(f"{' '.join(command)}: status {done.returncode}\n{tail}")
    return done


def succeeds(command: Sequence[str], *, timeout: float = 60) -> bool:
    """Whether a command exists and ends with status 0."""
    try:
        run(command, timeout=timeout)
    except (CommandError, OSError):
        return False
    return True
