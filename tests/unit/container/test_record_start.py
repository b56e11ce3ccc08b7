"""What a start reads, as the image's build writes it down."""

import mmap
from pathlib import Path

from container.record_start import (
    GAP,
    OWN_MODEL,
    PAGE,
    joined,
    mappings,
    needed,
    present_offsets,
    served_model,
)
from model_layer import bundled_models


def test_neighbours_and_small_gaps_become_one_part() -> None:
    far = 10 * PAGE + GAP
    offsets = [0, PAGE, PAGE + GAP, far + GAP, far + GAP + PAGE]
    assert list(joined(offsets)) == [(0, 2 * PAGE + GAP), (far + GAP, 2 * PAGE)]
    assert list(joined([])) == []


def test_of_a_mapped_file_only_what_was_touched_is_needed(tmp_path: Path) -> None:
    mapped, read = tmp_path / "mapped.so", tmp_path / "read.pyc"
    mapped.write_bytes(bytes(1000 * PAGE))
    read.write_bytes(bytes(5000))
    with mapped.open("rb") as stream:
        memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    assert memory[900 * PAGE] == 0

    parts = list(needed([str(mapped), str(read)]))

    assert parts[-1] == (0, 5000, str(read))
    assert sum(size for _, size, path in parts if path == str(mapped)) < 500 * PAGE
    assert any(start <= 900 * PAGE < start + size for start, size, _ in parts[:-1])
    assert any(at.path == str(mapped) and present_offsets(at) for at in mappings())
    memory.close()


def test_a_start_with_several_models_is_that_of_the_imported_one(tmp_path: Path) -> None:
    def add(name: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")

    add(OWN_MODEL)
    assert served_model(tmp_path) == OWN_MODEL
    add("my-facenet")
    assert served_model(tmp_path) == "my-facenet"
    assert OWN_MODEL in bundled_models()
