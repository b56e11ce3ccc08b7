"""docs/rekognition.md does what it says and shows what its command prints."""

from pathlib import Path

import pytest

from handler.rekognition.protocol import OPERATIONS
from tests.quick_starts import run_block
from tools import similarity_table

DOCUMENT = "docs/rekognition.md"


def test_the_quick_start_prints_what_it_says(
    collections_port: int, root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    printed = run_block(
        root, folder, "rekognition", {"8080": str(collections_port)}, document=DOCUMENT
    )
    lines = printed.splitlines()
    assert lines == ["2 faces", "['grace_hopper']", "1 match, 1 other"]
    text = (root / DOCUMENT).read_text()
    assert all(f"`{line}`" in text for line in lines)


def test_the_table_is_what_the_command_prints(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert similarity_table.main([]) == 0
    assert f"-->\n{capsys.readouterr().out}<!-- end -->" in (root / DOCUMENT).read_text()


def test_a_model_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert similarity_table.main(["--model", "nothing"]) == 1
    assert "failed: " in capsys.readouterr().err


def test_every_operation_is_in_the_document(root: Path) -> None:
    text = (root / DOCUMENT).read_text()
    assert [name for name in OPERATIONS if name not in text] == []
