"""Every line that the handler logs in any of these tests is looked through for what must not be."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from handler import observability

LONGEST_LINE = 4000
# A stretch of base64 as pictures and embeddings have it; a digest is allowed.
DIGEST = re.compile(r'"[0-9a-f]{64}"')
PACKED = re.compile(r"[A-Za-z0-9+/]{60,}")
FILE_NAME = re.compile(r"\.(jpe?g|png|webp)\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def no_face_in_the_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines logged so far; fails the test in which one holds what must not be logged."""
    lines: list[str] = []
    print_line = observability._print

    def look(line: Any, stream: Any) -> None:
        lines.append(json.dumps(line, default=str))
        print_line(line, stream)

    monkeypatch.setattr(observability, "_print", look)
    yield lines
    for line in lines:
        assert len(line) < LONGEST_LINE
        assert not PACKED.search(DIGEST.sub("", line)), "a picture or an embedding was logged"
        assert not FILE_NAME.search(line), "an object key was logged"
        assert line.isascii()
