"""The lock files: hashed, free of addresses, one set of versions, wheels for both architectures."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
# What the images are made of: these have to hold for Graviton too.
IMAGE_LOCKS = ("run", "tensorflow")
REQUIREMENT = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+))? \\$"
)


@dataclass(frozen=True)
class Entry:
    """One pin of a lock file with the wheels that the comment above it names."""

    name: str
    version: str
    marker: str
    wheels: tuple[str, ...]
    hashes: tuple[str, ...]


def read_lock(path: Path) -> list[Entry]:
    """All entries; a line of no known form fails the test."""
    entries = []
    for block in path.read_text(encoding="utf-8").split("\n\n")[1:]:
        lines = block.strip().splitlines()
        wheels = tuple(line[2:] for line in lines if line.startswith("# "))
        rest = [line for line in lines if not line.startswith("# ")]
        pin = REQUIREMENT.match(rest[0])
        assert pin, f"{path.name}: {rest[0]}"
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
        assert len(hashes) == len(rest) - 1, f"{path.name}: {pin['name']}"
        entries.append(Entry(pin["name"], pin["version"], pin["marker"] or "", wheels, hashes))
    return entries


def fits(wheel: str, machine: str) -> bool:
    """Whether a wheel serves CPython 3.11 on Linux of that machine, with glibc 2.36 (bookworm)."""
    python, abi, platforms = wheel.removesuffix(".whl").split("-")[-3:]
    if not any(tag in ("py3", "cp311") or abi == "abi3" for tag in python.split(".")):
        return False
    if platforms == "any":
        return True
    return any(_library_fits(tag, machine) for tag in platforms.split("."))


def _library_fits(tag: str, machine: str) -> bool:
    if tag in (f"manylinux1_{machine}", f"manylinux2010_{machine}", f"manylinux2014_{machine}"):
        return True
    found = re.fullmatch(rf"manylinux_2_(\d+)_{machine}", tag)
    return bool(found) and int(found[1]) <= 36


def test_there_is_a_lock_for_everything_that_is_installed() -> None:
    names = {path.stem for path in LOCKS}
    used = set(re.findall(r"requirements/([a-z-]+)\.txt", (ROOT / "Dockerfile").read_text()))
    used |= set(re.findall(r"requirements/([a-z-]+)\.txt", (ROOT / "Makefile").read_text()))
    used |= set(re.findall(r"\$\(TOOLS\)/([a-z-]+)/\.stamp", (ROOT / "Makefile").read_text()))
    assert used <= names
    assert {"run", "tensorflow", "test", "sam", "audit"} <= names


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_pin_has_a_digest_for_every_wheel_it_names(path: Path) -> None:
    entries = read_lock(path)
    assert entries
    for entry in entries:
        assert entry.wheels, entry.name
        assert len(entry.hashes) == len(entry.wheels), entry.name
        assert len(set(entry.hashes)) == len(entry.hashes), entry.name
        stem = f"{entry.name.replace('-', '_')}-{entry.version}-"
        for wheel in entry.wheels:
            assert (
                wheel.lower()
                .replace("-", "_")
                .replace(".", "_")
                .startswith(stem.replace("-", "_").replace(".", "_"))
            ), wheel


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_no_lock_names_a_place_to_load_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert "find-links" not in text


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("name", IMAGE_LOCKS)
def test_every_package_of_the_images_has_a_wheel_for_the_machine(name: str, machine: str) -> None:
    missing = [
        entry.name
        for entry in read_lock(ROOT / f"requirements/{name}.txt")
        if machine in (entry.marker or machine)
        and not any(fits(wheel, machine) for wheel in entry.wheels)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("wheel", "machine", "expected"),
    [
        ("numpy-2.4.6-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl", "aarch64", 1),
        ("numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", "aarch64", 0),
        ("opencv_python_headless-5.0.0.93-cp37-abi3-manylinux_2_28_aarch64.whl", "aarch64", 1),
        ("six-1.17.0-py2.py3-none-any.whl", "aarch64", 1),
        ("new-1.0-cp311-cp311-manylinux_2_39_aarch64.whl", "aarch64", 0),
        ("old-1.0-cp310-cp310-manylinux_2_17_aarch64.whl", "aarch64", 0),
    ],
)
def test_a_wheel_is_recognised_by_its_tags(wheel: str, machine: str, expected: int) -> None:
    assert fits(wheel, machine) is bool(expected)


def test_the_locks_that_share_an_environment_agree() -> None:
    pins = {entry.name: entry.version for entry in read_lock(ROOT / "requirements/run.txt")}
    for name in ("tensorflow", "test", "test-all", "aws-test", "browser", "detector-weights"):
        other = {e.name: e.version for e in read_lock(ROOT / f"requirements/{name}.txt")}
        assert {key: other.get(key) for key in pins} == pins, name


def test_the_run_lock_holds_what_the_project_asks_for_and_no_tensorflow() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.match(r"[A-Za-z0-9-]+", text)[0].lower() for text in project["dependencies"]}
    pinned = {entry.name for entry in read_lock(ROOT / "requirements/run.txt")}
    assert asked <= pinned
    assert not {name for name in pinned if name.startswith(("tensorflow", "keras", "torch"))}
