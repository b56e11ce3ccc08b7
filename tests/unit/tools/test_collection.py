"""Collections filled from results, moved to another contract, rebuilt and swept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow: group collect")

from handler.search.catalog import Collections, open_collections
from handler.settings import Settings
from tests.unit.handler.search.conftest import face, vector
from tools import collection

OLD, NEW = ("tiny", "ab" * 32), ("tiny-2", "cd" * 32)


def contract(model: tuple[str, str]) -> str:
    return f"{model[0]}@{model[1][:12]}"


def result(folder: Path, key: str, model: tuple[str, str], *vectors: np.ndarray) -> None:
    """One JSON file of a batch's output."""
    faces = [
        {
            "box": {"left": 1, "top": 2, "width": 30 + row, "height": 40},
            "score": 0.9,
            "embedding": values.tolist(),
        }
        for row, values in enumerate(vectors)
    ]
    document = {
        "format": 1,
        "object": {"bucket": "photos", "key": key, "etag": "e1", "size": 9, "version_id": None},
        "model": {
            "id": model[0],
            "contract": contract(model),
            "sha256": model[1],
            "dimension": 8,
        },
        "width": 100,
        "height": 100,
        "faces": faces,
    }
    path = folder / "photos" / key / f"e1.{model[0]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collections:
    monkeypatch.setenv("FACENET_COLLECTIONS", str(tmp_path / "truth"))
    return open_collections(Settings.from_environment())


def run(*arguments: Any) -> int:
    quiet = ["--quiet", "--unchecked"] if arguments[0] in ("fill", "move") else []
    return collection.main([*map(str, arguments), *quiet])


def people(opened: Any) -> list[str]:
    return sorted(opened.persons(None, 100))


def test_results_fill_a_collection_once(kept: Collections, tmp_path: Path) -> None:
    results = tmp_path / "results"
    result(results, "party.jpg", OLD, vector(1), vector(2))
    result(results, "people/Ann/1.jpg", OLD, vector(3), vector(4))
    for _ in range(2):
        assert run("fill", "photos", results) == 0
    filled = kept.open("photos")
    assert (filled.gallery().persons, filled.gallery().faces) == (3, 3)
    assert filled.record.contract == contract(OLD)
    (ann,) = filled.person_faces("Ann")
    np.testing.assert_allclose(ann.vector, vector(4), atol=1e-6)  # the larger face


def test_a_collection_moves_to_another_contract(
    kept: Collections, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    result(results, "people/Ann/1.jpg", OLD, vector(1))
    run("fill", "photos", results)
    before = kept.open("photos")
    before.add([face("Only by API", "1", vector(9))])
    result(results, "people/Ann/1.jpg", NEW, vector(2))
    assert run("move", "photos", results) == 1
    assert "1 persons have no result" in capsys.readouterr().err
    assert kept.open("photos").record == before.record  # the old one answers
    assert run("move", "photos", results, "--leave") == 0
    after = kept.open("photos")
    assert after.record.contract == contract(NEW)
    assert people(after) == ["Ann"]
    np.testing.assert_allclose(after.person_faces("Ann")[0].vector, vector(2), atol=1e-6)
    assert not [key for key in kept.truth.keys("faces/") if before.record.generation in key]


def test_results_of_several_contracts_need_a_choice(
    kept: Collections, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    result(results, "a.jpg", OLD, vector(1))
    result(results, "a.jpg", NEW, vector(2))
    assert run("fill", "photos", results) == 1
    assert "--contract" in capsys.readouterr().err
    assert run("fill", "photos", results, "--contract", contract(NEW)) == 0
    assert kept.open("photos").record.contract == contract(NEW)


def test_rebuild_and_sweep_say_what_they_did(
    kept: Collections, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kept.create("staff", contract(OLD), 8)
    made.add([face("ann", "1", vector(1))])
    assert run("rebuild", "staff") == 0
    assert run("sweep", "staff") == 0
    assert run("sweep", "none") == 1
    captured = capsys.readouterr()
    assert "1 faces added to the index" in captured.out
    assert "CollectionNotFound" in captured.err
