"""The image for Graviton, built from the same Dockerfile and run as an emulated Neoverse N1.

The engine has to run arm64 programs, which .ci/with-docker sees to, and to have Debian for arm64.
"""

import json
import platform
from pathlib import Path

import pytest

from image import build
from image.commands import CommandError, docker
from tests.arm64 import answer_events, machine
from tests.arm64.comparison import differences
from tests.container.conftest import NO_AWS, ROOT
from tests.needs import not_here

BASE = "debian:bookworm-slim-arm64"
EVENTS = ("compare-same", "compare-different", "embed", "detect", "http-api-v2")
SETTINGS = {**NO_AWS, "FACENET_THREADS": "1"}
PROGRAM = "/opt/answer_events.py"


@pytest.fixture(scope="module")
def arm64_image(engine: None) -> str:
    """Tag of the `litert` target for arm64."""
    if platform.machine() == "aarch64":
        return build.build("litert")
    try:
        said = docker("run", "--rm", "--network", "none", BASE, "uname", "-m").strip()
    except CommandError as reason:
        not_here(f"no Debian for arm64 that this engine runs: {reason}")
    assert said == "aarch64"
    return build.build("litert", "arm64", {"BASE": BASE})


def test_the_image_for_arm64_answers_as_this_processor(arm64_image: str, tmp_path: Path) -> None:
    processor = tmp_path / "cpuinfo"
    processor.write_text(machine.cpuinfo())
    mounts = {
        processor: "/proc/cpuinfo",
        Path(answer_events.__file__): PROGRAM,
        ROOT / "events": "/opt/events",
    }
    command = ["run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"]
    for source, target in mounts.items():
        command += ["--volume", f"{source}:{target}:ro"]
    for name, value in {**SETTINGS, "QEMU_CPU": machine.GRAVITON2}.items():
        command += ["--env", f"{name}={value}"]
    command += ["--env", "PYTHONPATH=/var/task", "--entrypoint", "python", arm64_image, PROGRAM]
    output = docker(*command, *(f"/opt/events/{name}.json" for name in EVENTS))
    there = json.loads(output)
    files = [str(ROOT / f"events/{name}.json") for name in EVENTS]
    here = json.loads(machine.run_here(["tests.arm64.answer_events", *files], **SETTINGS))
    assert there["machine"] == "aarch64"
    assert sorted(there["answers"]) == sorted(here["answers"]) == sorted(EVENTS)
    found = [
        f"{name}{line}"
        for name, answer in here["answers"].items()
        for line in differences(answer, there["answers"][name])
    ]
    assert not found
