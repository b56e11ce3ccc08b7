"""Writes the hashed lock files of this folder from the groups of pyproject.toml.

Every lock is resolved twice, for x86-64 and for Graviton, from wheels alone, and the two
answers are merged: a package that only one of them needs carries a marker, and the comment
above each pin names the wheels in the order of their digests. So a lock is at once what pip
installs and the evidence that both architectures have a wheel (tests/contract/test_locks.py).

    make lock                    # adds and removes packages, keeps the versions that are pinned
    make lock ARGS=--upgrade     # resolves again within the ranges of pyproject.toml
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
PYTHON = "3.11"
# The oldest C library that the pins may ask for; Debian bookworm has 2.36.
LIBRARY = "manylinux_2_28"
ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Lock:
    """One lock file: its groups, on top of the function's own packages or `alone`."""

    name: str
    groups: tuple[str, ...] = ()
    alone: bool = False
    without: tuple[str, ...] = ()  # what its packages ask for and we do not call


@dataclass(frozen=True, order=True)
class Wheel:
    """A wheel of the registry: file name and SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Pin:
    """One package of one resolution."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]


LOCKS = (
    Lock("run"),
    Lock("tensorflow", ("tensorflow",)),
    Lock("heic", ("heic",), alone=True, without=("pillow",)),
    Lock("test", ("test",)),
    Lock("test-all", ("test-all",), without=("openvino-telemetry",)),
    Lock("aws-test", ("aws-test",)),
    Lock("browser", ("browser",)),
    Lock("detector-weights", ("detector-weights",)),
    Lock("fuzz", ("fuzz",)),
    Lock("search-bench", ("search-bench",)),
    Lock("sam", ("sam",), alone=True),
    Lock("peers", ("peers",), alone=True),
    Lock("audit", ("audit",), alone=True),
    Lock("lock", ("lock",), alone=True),
    Lock("checkov", ("checkov",), alone=True),
    Lock("deploy", ("deploy",), alone=True),
)


def main(arguments: list[str] | None = None) -> int:
    """Writes all locks; the first one holds the others to its versions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args(arguments).upgrade
    held: dict[str, str] = {}
    for lock in LOCKS:
        path = FOLDER / f"{lock.name}.txt"
        fixed = ({} if upgrade else pinned(path)) | ({} if lock.alone else held)
        resolutions = {
            architecture: resolve(lock, architecture, fixed) for architecture in ARCHITECTURES
        }
        if not lock.alone or lock.without:
            held |= {pin.name: pin.version for pins in resolutions.values() for pin in pins}
        path.write_text(render(resolutions), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(merge(resolutions))} packages")
    return 0


def pinned(path: Path) -> dict[str, str]:
    """The versions in a lock file by package; none where there is no file yet."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE))


def resolve(lock: Lock, architecture: str, held: Mapping[str, str]) -> list[Pin]:
    """The pins of `lock` on one architecture, none of them away from the versions `held`."""
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch, "held.txt")
        constraints.write_text("".join(f"{name}=={held[name]}\n" for name in sorted(held)))
        output = Path(scratch, "pylock.toml")
        sources = [] if lock.alone else ["pyproject.toml"]
        for group in lock.groups:
            sources += ["--group", f"pyproject.toml:{group}"]
        command = [sys.executable, "-m", "uv", "pip", "compile", *sources, "--quiet"]
        command += ["--only-binary", ":all:", "--format", "pylock.toml", "--python-version", PYTHON]
        command += ["--python-platform", f"{architecture}-{LIBRARY}"]
        command += ["--constraints", str(constraints), "--output-file", str(output)]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
        pins = read_pins(tomllib.loads(output.read_text(encoding="utf-8")))
        return [pin for pin in pins if pin.name not in lock.without]


def read_pins(document: Mapping[str, Any]) -> list[Pin]:
    """The pins of a PEP 751 document."""
    return [
        Pin(package["name"], package["version"], tuple(sorted(read_wheels(package["wheels"]))))
        for package in document["packages"]
    ]


def read_wheels(entries: Iterable[Mapping[str, Any]]) -> Iterable[Wheel]:
    """File names and digests; where a wheel lies is the installer's business."""
    for entry in entries:
        name = entry.get("name") or entry["url"].rsplit("/", 1)[-1]
        yield Wheel(name, entry["hashes"]["sha256"])


def merge(resolutions: Mapping[str, list[Pin]]) -> dict[tuple[str, str], dict[str, Pin]]:
    """(package, version) -> architecture -> its pin."""
    merged: dict[tuple[str, str], dict[str, Pin]] = {}
    for architecture, pins in resolutions.items():
        for pin in pins:
            merged.setdefault((pin.name, pin.version), {})[architecture] = pin
    return dict(sorted(merged.items()))


def render(resolutions: Mapping[str, list[Pin]]) -> str:
    """The text of a lock file."""
    lines = ["# Written by `make lock`: pins for " + " and ".join(resolutions) + ", Python 3.11."]
    for (name, version), pins in merge(resolutions).items():
        wheels = sorted({wheel for pin in pins.values() for wheel in pin.wheels})
        lines += ["", *(f"# {wheel.name}" for wheel in wheels)]
        lines.append(f"{name}=={version}{marker(pins, resolutions)} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{wheel.sha256}" for wheel in wheels))
    return "\n".join(lines) + "\n"


def marker(pins: Mapping[str, Pin], resolutions: Mapping[str, list[Pin]]) -> str:
    """Where the pin applies; empty where it applies everywhere."""
    if len(pins) == len(resolutions):
        return ""
    return " ; " + " or ".join(f"platform_machine == '{name}'" for name in sorted(pins))


if __name__ == "__main__":
    raise SystemExit(main())
