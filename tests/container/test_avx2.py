"""Lambda promises AVX2 and no more: on a processor without AVX-512 the same answers come out.

QEMU's user mode stands in for such a processor: it tells programs that it is a Haswell, and ends
them at an instruction that a Haswell does not have.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.arm64.comparison import differences
from tests.container.conftest import ROOT
from tests.needs import not_here

EMULATOR = "qemu-x86_64"
PACKAGE = "qemu-user"
HASWELL = "Haswell-noTSX"
EVENTS = ("compare-same", "embed")
# QEMU 7.2 faults on lanes that a masked AVX2 load leaves out, which NumPy's exp relies on.
NUMPY = {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}


@pytest.fixture(scope="module")
def emulator() -> str:
    """The emulator, from Debian's package where it is missing and can be installed."""
    if platform.machine() != "x86_64":
        pytest.skip("AVX2 is a matter of x86-64")
    if not shutil.which(EMULATOR) and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE]
        subprocess.run(command, check=True)
    found = shutil.which(EMULATOR)
    if not found:
        not_here(f"{EMULATOR} is missing (Debian: {PACKAGE})")
    return found


def answers(*emulation: str) -> dict[str, Any]:
    """What the function gives for EVENTS, in a process of its own."""
    done = subprocess.run(
        [*emulation, sys.executable, str(Path(__file__).with_name("answer_here.py")), *EVENTS],
        cwd=ROOT,
        env={**os.environ, "FACENET_THREADS": "1", **(NUMPY if emulation else {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    given: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return given


def test_a_haswell_gives_the_same_answers(emulator: str) -> None:
    there, here = answers(emulator, "-cpu", HASWELL), answers()
    assert list(differences(here, there)) == []
    assert here["compare-same"]["same"] is True
