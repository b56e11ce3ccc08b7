"""Replaces OpenCV's bundled video libraries by empty ones: run while the image is built.

    python stub_video.py /opt/venv/lib/python3.11/site-packages

The OpenCV wheel is linked to FFmpeg, and through it to OpenSSL 1.1, libvpx and libdrm: some 30 MB
that every cold start would map, and code that no picture ever reaches, but that a stranger's bytes
should not be near. The four libraries that the dynamic linker insists on become stubs with the
same names, symbols and symbol versions, whose functions trap; the rest of them goes.

Needs binutils (as, ld, readelf). Where the wheel names other libraries than expected, it stops.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

STUBBED = ("libavcodec", "libavformat", "libavutil", "libswscale")
REMOVED = ("libswresample", "libssl", "libcrypto", "libvpx", "libdrm")
TRAPS = {"x86_64": "ud2", "aarch64": "brk #1"}


@dataclass(frozen=True)
class Symbol:
    """A symbol that OpenCV takes from another library, with its version and kind."""

    name: str
    version: str
    kind: str


def main(arguments: list[str]) -> int:
    """Stubs the libraries beside cv2 and prints what that saved."""
    site = Path(arguments[0])
    binary = site / "cv2/cv2.abi3.so"
    folder = site / "opencv_python_headless.libs"
    before = _size(folder)
    symbols = undefined_symbols(binary)
    for name, versions in needed_versions(binary).items():
        if name.startswith(STUBBED):
            taken = [symbol for symbol in symbols if symbol.version in versions]
            write_stub(folder / name, versions, taken)
    for path in folder.iterdir():
        if path.name.startswith(REMOVED):
            path.unlink()
    print(f"video libraries: {(before - _size(folder)) / 1e6:.1f} MB")
    return 0


def needed_versions(binary: Path) -> dict[str, list[str]]:
    """Library -> the symbol versions that the binary wants of it."""
    needed: dict[str, list[str]] = {}
    current: list[str] = []
    for line in _readelf("--version-info", binary):
        if found := re.search(r"File: (\S+)", line):
            current = needed.setdefault(found[1], [])
        elif found := re.search(r"Name: (\S+)\s+Flags", line):
            current.append(found[1])
    if sum(name.startswith(STUBBED) for name in needed) != len(STUBBED):
        raise SystemExit(f"{binary.name} is linked to other libraries: {sorted(needed)}")
    return needed


def undefined_symbols(binary: Path) -> list[Symbol]:
    """What the binary takes from elsewhere under a version."""
    symbols = []
    for line in _readelf("--dyn-syms", binary):
        fields = line.split()
        if len(fields) >= 8 and fields[6] == "UND" and "@" in fields[7]:
            name, version = fields[7].split("@")[0], fields[7].split("@")[-1]
            symbols.append(Symbol(name, version, fields[3]))
    return symbols


def write_stub(path: Path, versions: Sequence[str], symbols: Iterable[Symbol]) -> None:
    """A library with the given versions and functions; each function traps."""
    trap = TRAPS[platform.machine()]
    source = ['.section .note.GNU-stack,"",%progbits', ".text"]
    names: dict[str, list[str]] = {version: [] for version in versions}
    for symbol in symbols:
        if symbol.kind == "OBJECT":
            raise SystemExit(f"{path.name}: {symbol.name} is data, which no stub can stand for")
        source += [
            f".globl {symbol.name}",
            f".type {symbol.name}, %function",
            f"{symbol.name}: {trap}",
        ]
        names[symbol.version].append(symbol.name)
    script = "".join(
        f"{version} {{ global: {''.join(f'{name}; ' for name in members)}local: *; }};\n"
        for version, members in names.items()
    )
    with tempfile.TemporaryDirectory() as scratch:
        assembly, linking, compiled = (Path(scratch, name) for name in ("s.s", "s.map", "s.o"))
        assembly.write_text("\n".join(source) + "\n")
        linking.write_text(script)
        _run(["as", str(assembly), "-o", str(compiled)])
        link = ["ld", "-shared", "--build-id=none", "-soname", path.name]
        link += ["--version-script", str(linking), "-o", str(path), str(compiled)]
        _run(link)


def _readelf(option: str, binary: Path) -> list[str]:
    return _run(["readelf", "--wide", option, str(binary)]).splitlines()


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
