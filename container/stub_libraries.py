"""Replaces libraries beside OpenCV that no picture reaches: run while the image is built.

    python stub_libraries.py /opt/venv/lib/python3.11/site-packages

The OpenCV wheel is linked to FFmpeg, through it to OpenSSL 1.1, libvpx and libdrm, to an OpenBLAS
of its own, and through libavif to an AV1 codec: some 80 MB that every cold start would map, and
code that a stranger's bytes should not be near. What the dynamic linker insists on becomes a stub
with the same names, symbols and symbol versions, whose functions trap; the rest goes. Decoding of
JPEG, PNG and WebP, resizing and warping call none of it, and `align.decode` refuses other formats.

Needs binutils (as, ld, readelf). Where the wheel holds or links other libraries than expected, it
stops.
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

STUBBED = ("libavcodec", "libavformat", "libavutil", "libswscale", "libopenblas", "libaom")
# Only what is stubbed wants these.
REMOVED = (
    "libswresample",
    "libssl",
    "libcrypto",
    "libvpx",
    "libdrm",
    "libgfortran",
    "libquadmath",
)
TRAPS = {"x86_64": "ud2", "aarch64": "brk #1"}


@dataclass(frozen=True)
class Symbol:
    """A symbol in a library's dynamic table; its version is empty where it has none."""

    name: str
    version: str
    kind: str
    defined: bool


def main(arguments: list[str]) -> int:
    """Stubs and removes libraries beside cv2, and prints what that saved."""
    site = Path(arguments[0])
    folder = site / "opencv_python_headless.libs"
    before = _size(folder)
    stubbed = {find(folder, prefix) for prefix in STUBBED}
    removed = {path for path in folder.iterdir() if path.name.startswith(REMOVED)}
    kept = [site / "cv2/cv2.abi3.so", *sorted(set(folder.iterdir()) - stubbed - removed)]
    taken = {symbol.name for path in kept for symbol in symbols(path) if not symbol.defined}
    for path in stubbed:
        own = [symbol for symbol in symbols(path) if symbol.defined]
        write_stub(path, [symbol for symbol in own if symbol.name in taken])
    for path in removed:
        path.unlink()
    for path in (*kept, *stubbed):
        if missing := needed(path) & {gone.name for gone in removed}:
            raise SystemExit(f"{path.name} is linked to {sorted(missing)}")
    print(f"libraries beside cv2: {(before - _size(folder)) / 1e6:.1f} MB")
    return 0


def find(folder: Path, prefix: str) -> Path:
    """The one library whose name begins with `prefix`; ends the program where there is not one."""
    found = sorted(path for path in folder.iterdir() if path.name.startswith(prefix))
    if len(found) != 1:
        raise SystemExit(f"{prefix}: expected one library, found {[path.name for path in found]}")
    return found[0]


def symbols(binary: Path) -> list[Symbol]:
    """The dynamic symbols that a binary defines, or takes from elsewhere."""
    found = []
    for line in _readelf("--dyn-syms", binary):
        fields = line.split()
        if len(fields) >= 8 and fields[0].rstrip(":").isdigit():
            name, _, version = fields[7].replace("@@", "@").partition("@")
            found.append(Symbol(name, version, fields[3], fields[6] != "UND"))
    return found


def needed(binary: Path) -> set[str]:
    """The names of the libraries that a binary is linked to."""
    lines = _readelf("--dynamic", binary)
    return {found[1] for line in lines if (found := re.search(r"\(NEEDED\).*\[(.+)\]", line))}


def write_stub(path: Path, wanted: Iterable[Symbol]) -> None:
    """A library with these symbols, in place of the one at `path`; each function traps."""
    trap = TRAPS[platform.machine()]
    source = ['.section .note.GNU-stack,"",%progbits', ".text"]
    names: dict[str, list[str]] = {}
    for symbol in wanted:
        if symbol.kind not in ("FUNC", "GNU_IFUNC", "IFUNC"):
            raise SystemExit(f"{path.name}: {symbol.name} is data, which no stub can stand for")
        source += [
            f".globl {symbol.name}",
            f".type {symbol.name}, %function",
            f"{symbol.name}: {trap}",
        ]
        names.setdefault(symbol.version, []).append(symbol.name)
    if not names:
        raise SystemExit(f"{path.name}: nothing is taken from it, so it need not be there")
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
