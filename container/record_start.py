"""Writes down which parts of which files a start reads: run while the image is built.

    python record_start.py EVENT_FILE LISTING

Starts the function and answers one event. LISTING then has one `OFFSET LENGTH PATH` a line, in the
order in which they were first needed, for handler/boot.py: of mapped files the pages that are
present, of others the whole. The build ends here where the function does not answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
# Parts that are nearer to each other than this are read as one.
GAP = 1 << 16
PASSING = ("/proc/", "/sys/", "/dev/", "/tmp/")  # noqa: S108
PRESENT = 1 << 63
OWN_MODEL = "facenet-compact-112"


@dataclass(frozen=True)
class Mapping:
    """A part of a file in this process's memory."""

    start: int
    end: int
    offset: int
    path: str


class Order:
    """Files in the order in which this process opened or mapped them."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}
        self._busy = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook; before each file that is opened come those mapped since the last."""
        if event != "open" or self._busy:
            return
        self._busy = True
        self.add_mapped()
        if isinstance(arguments[0], str):
            self._add(arguments[0])
        self._busy = False

    def add_mapped(self) -> None:
        """Takes in what is mapped by now."""
        for mapping in mappings():
            self._add(mapping.path)

    def _add(self, path: str) -> None:
        real = os.path.realpath(path)
        if os.path.isfile(real) and not real.startswith(PASSING):
            self.paths.setdefault(real)


class Context:
    """What Lambda passes beside the event."""

    aws_request_id = "record-start"
    function_name = "record-start"
    memory_limit_in_mb = 1769

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds."""
        return 60_000


def main(event_file: str, listing: str) -> int:
    """Starts, answers, writes the listing and prints its size."""
    event = json.loads(Path(event_file).read_text())
    order = Order()
    sys.addaudithook(order.hook)
    sys.path.insert(0, os.getcwd())
    os.environ.setdefault("FACENET_MODEL", served_model(Path("model_layer", "models")))
    import awslambdaric.__main__  # noqa: F401

    from handler.app import lambda_handler

    answer = lambda_handler(event, Context())
    if "distance" not in answer:
        raise SystemExit(f"the function does not answer: {answer}")
    order.add_mapped()
    parts = list(needed(list(order.paths)))
    Path(listing).write_text("".join(f"{start} {size} {path}\n" for start, size, path in parts))
    print(f"a start needs {sum(size for _, size, _ in parts) / 1e6:.0f} MB in {len(parts)} parts")
    return 0


def served_model(models: Path) -> str:
    """The model that a start is likely to load: one that was put beside the one of this project."""
    names = sorted(path.parent.name for path in models.glob("*/manifest.json"))
    return next((name for name in names if name != OWN_MODEL), OWN_MODEL)


def needed(paths: list[str]) -> Iterator[tuple[int, int, str]]:
    """Offset, length and path of what was read, file by file."""
    present: dict[str, set[int]] = {}
    for mapping in mappings():
        present.setdefault(mapping.path, set()).update(present_offsets(mapping))
    for path in paths:
        if path in present:
            yield from ((start, size, path) for start, size in joined(sorted(present[path])))
        else:
            yield 0, os.path.getsize(path), path


def mappings() -> Iterator[Mapping]:
    """The files that are mapped into this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/"):
            start, end = (int(text, 16) for text in fields[0].split("-"))
            yield Mapping(start, end, int(fields[2], 16), fields[5])


def present_offsets(mapping: Mapping) -> list[int]:
    """Offsets in the file of the pages that are in memory."""
    count = (mapping.end - mapping.start) // PAGE
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(mapping.start // PAGE * 8)
        entries = memoryview(pagemap.read(count * 8)).cast("Q")
    return [mapping.offset + index * PAGE for index, entry in enumerate(entries) if entry & PRESENT]


def joined(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """Start and length of runs of pages, small gaps included."""
    start = end = -1
    for offset in offsets:
        if end < 0 or offset > end + GAP:
            if end >= 0:
                yield start, end - start
            start = offset
        end = offset + PAGE
    if end >= 0:
        yield start, end - start


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
