"""The truth in a folder, while others write and delete."""

from pathlib import Path
from typing import Any

import pytest

from handler.errors import ApiError
from handler.search.truth import FolderTruth


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A folder that is removed while `mkdir` looks at it: as often as the list has entries."""
    times = [1]
    whole = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **named: Any) -> None:
        if times and path.name == "person":
            times.pop()
            raise FileExistsError(path)
        whole(path, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return times


def test_a_folder_that_vanishes_in_between_is_made_again(
    truth: FolderTruth, vanishing: list[int]
) -> None:
    assert truth.write_new("faces/person/one", b"1")
    vanishing.append(1)
    truth.replace("faces/person/two", b"2")
    assert vanishing == []
    assert list(truth.keys("faces/person/")) == ["faces/person/one", "faces/person/two"]


def test_a_file_in_the_place_of_the_folder_is_an_error(truth: FolderTruth) -> None:
    truth.write_new("faces/person", b"a file")
    with pytest.raises(ApiError, match="could not be read or written"):
        truth.write_new("faces/person/one", b"1")
