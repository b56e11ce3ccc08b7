"""Asks pip-audit for known vulnerabilities of what the locks pin.

    build/venv/audit/bin/python requirements/audit.py     # as `make audit` does

Exits with 1 where something is known; build/audit-LOCK.txt has the details.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# Deployed locks; a finding here fails the build. The others are the developers' own tools.
DEPLOYED = ("run", "tensorflow", "heic")
# What pip-audit prints where its service cannot be asked, rather than has something to say.
UNREACHABLE = (
    "ConnectionError",
    "Connection refused",
    "ServiceError",
    "Max retries exceeded",
    "Name or service not known",
    "Temporary failure in name resolution",
    "timed out",
    "Forbidden",
    "Could not connect",
)


def main(locks: Sequence[str] = DEPLOYED) -> int:
    """0 where nothing is known, or the vulnerability service cannot be reached; else 1."""
    status = 0
    for lock in locks:
        command = [sys.executable, "-m", "pip_audit", "--requirement", f"requirements/{lock}.txt"]
        command += ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
        command += ["--timeout", "30"]
        done = subprocess.run(  # noqa: S603
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        status = max(status, _report(lock, done))
    return status


def _report(lock: str, done: subprocess.CompletedProcess[str]) -> int:
    BUILD.mkdir(exist_ok=True)
    text = done.stdout + done.stderr
    status, verdict = _judge(done.returncode, text)
    (BUILD / f"audit-{lock}.txt").write_text(f"{verdict}\n{text}")
    print(f"{lock}: {verdict}" + (f"\n{text}" if status else ""))
    return status


def _judge(returncode: int, text: str) -> tuple[int, str]:
    """Exit status and verdict; .ci/run looks for NOT CHECKED."""
    if returncode == 0:
        return 0, "no known vulnerabilities"
    found = re.search(r"Found \d+ known vulnerabilit", text)
    if not found and any(sign in text for sign in UNREACHABLE):
        return 0, "NOT CHECKED, the vulnerability service cannot be reached from here"
    return 1, "vulnerable, or the audit failed"


if __name__ == "__main__":
    sys.exit(main())
