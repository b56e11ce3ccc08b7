"""Runs commands, Docker's client among them, and prints progress lines."""

from __future__ import annotations

import os
import shutil
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
    """A command failed; the message holds the end of its output."""


class EngineUnavailableError(RuntimeError):
    """There is no Docker client, or no engine answers it; the message says which."""


def say(text: str) -> None:
    """Prints one progress line with the seconds since the start."""
    print(f"[{time.monotonic() - _BEGIN:5.0f}s] {text}", file=sys.stderr, flush=True)


def require_engine() -> None:
    """Raises EngineUnavailableError unless a Docker engine answers."""
    if shutil.which("docker") is None:
        raise EngineUnavailableError("the Docker client is not installed")
    try:
        docker("version", timeout=60)
    except CommandError as failure:
        raise EngineUnavailableError(f"no Docker engine answers: {failure}") from failure


def docker(*arguments: str, timeout: float = 1800, merged: bool = False) -> str:
    """Standard output of the Docker client, and standard error too where they are `merged`.

    Raises:
        CommandError: the client failed.
    """
    return run(["docker", *arguments], timeout=timeout, merged=merged)


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
    merged: bool = False,
) -> str:
    """Standard output of a command, and standard error in between where they are `merged`.

    Raises:
        CommandError: it failed, or took longer than `timeout` seconds.
    """
    return complete(command, env=env, timeout=timeout, merged=merged).stdout


def complete(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
    merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """As `run`, with standard error apart. The command runs in the repository's root.

    Raises:
        CommandError: it failed, or took longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(f"{' '.join(command)}: timed out after {timeout:.0f} s") from late
    if done.returncode:
        tail = (done.stdout + (done.stderr or ""))[-4000:]
        raise CommandError(f"{' '.join(command)}: status {done.returncode}\n{tail}")
    return done
