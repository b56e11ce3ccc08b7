"""What the processes that tests start print: kept, and read as the handler's own log is.

A process that runs the function writes into a file of `LOGS.open`; what was captured otherwise goes
into `LOGS.keep`. tests/conftest.py reads what came in after each test and after the last.
"""

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LONGEST_LINE = 4000
# A stretch of base64 as pictures and embeddings have it; a digest or a container's id is allowed.
DIGEST = re.compile(r"(?<![\w+/])[0-9a-f]{64}(?![\w+/])")
PACKED = re.compile(r"[A-Za-z0-9+/]{60,}")
# Four numbers or more in a row, as an embedding begins.
VECTOR = re.compile(r"(-?\d\.\d{3,}(e-\d+)?,\s*){4}")
STATIC = re.compile(r'"/static/[\w/.-]+"')  # the page's own files
# What libpng, libjpeg and OpenCV print by themselves; it may quote the file.
LIBRARY = re.compile(
    r"libpng (warning|error)|^(Corrupt JPEG|Premature end|Inconsistent)|^\[ ?\w+:\d"
)
FILE_NAME = re.compile(r"\.(jpe?g|png|webp)\b", re.IGNORECASE)


def check(line: str) -> None:
    """Fails where a line of a log holds what must not be logged."""
    assert len(line) < LONGEST_LINE
    assert not PACKED.search(DIGEST.sub("", line)), "a picture or an embedding was logged"
    assert not VECTOR.search(line), "an embedding was logged"
    assert not LIBRARY.search(line), "a library printed what it thinks of a file"
    assert not FILE_NAME.search(STATIC.sub("", line)), "an object key was logged"


@dataclass
class ProcessLogs:
    """The files of one session, in `folder`."""

    folder: Path
    seen: dict[Path, int] = field(default_factory=dict)

    def open(self, name: str) -> BinaryIO:
        """A new file for a process's output and errors; its `name` is its path."""
        path = self.folder / f"{len(self.seen)}-{name}"
        self.seen[path] = 0
        return path.open("ab")

    def keep(self, name: str, text: str) -> None:
        """What a process printed, where it was captured."""
        with self.open(name) as file:
            file.write(text.encode("utf-8", "replace"))

    def unread(self) -> list[str]:
        """The lines that came in since the last call, of all files."""
        return [line for path in self.seen for line in self._rest(path)]

    def _rest(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(self.seen[path])
            data = file.read()
        self.seen[path] += len(data)
        return data.decode("utf-8", "replace").splitlines()


# Removed by tests/conftest.py after the last test.
LOGS = ProcessLogs(Path(tempfile.mkdtemp(prefix="logs-")))
