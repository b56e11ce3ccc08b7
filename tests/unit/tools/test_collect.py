"""Results become rows, once each, also where the gathering was interrupted."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tools import collect
from tools.collect_sources import Folder, Prefix


def result(key: str, faces: int = 1, model: str = "tiny", **more: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "object": {"bucket": "photos", "key": key, "version_id": None, "etag": "e", "size": 3},
        "model": {"id": model, "sha256": "ab", "dimension": 2},
        "width": 40,
        "height": 30,
        "faces": [face(index) for index in range(faces)],
        **more,
    }


def face(index: int) -> dict[str, Any]:
    return {
        "box": {"left": 1.0, "top": 2.0, "width": 10.0, "height": 12.0},
        "box_ratio": {"left": 0, "top": 0, "width": 0, "height": 0},
        "landmarks": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]],
        "score": 0.5,
        "quality": {
            "size": 10,
            "sharpness": 0.25,
            "brightness": 0.5,
            "yaw": 1.0,
            "pitch": 2.0,
            "roll": 3.0,
        },
        "embedding": [float(index), 1.0],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "results"
    for number in range(7):
        write(made / f"photos/{number} ü.jpg/e.tiny.json", result(f"{number} ü.jpg", number % 3))
    return made


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def run(folder: Path, *more: str) -> int:
    output = folder.parent / "faces.parquet"
    return collect.main([str(folder), "-o", str(output), "--quiet", *more])


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder.parent / "faces.parquet").to_pylist()
    return found


def test_each_face_is_a_row(folder: Path) -> None:
    assert run(folder) == 0
    assert [(row["key"], row["face"]) for row in rows(folder)] == [
        (f"{number} ü.jpg", index) for number in range(7) for index in range(number % 3)
    ]
    row = rows(folder)[2]
    assert (row["left"], row["top"], row["right"], row["bottom"]) == (1.0, 2.0, 11.0, 14.0)
    assert row["landmarks"] == [float(number) for number in range(1, 11)]
    assert row["embedding"] == [1.0, 1.0]
    assert (row["sharpness"], row["yaw"], row["model_id"]) == (0.25, 1.0, "tiny")
    assert row["contract"] is None, "a result from before contracts existed"


def test_results_of_one_contract_can_be_asked_for(folder: Path) -> None:
    for contract in ("tiny@aaaaaaaaaaaa", "tiny@bbbbbbbbbbbb"):
        model = {"id": "tiny", "contract": contract, "sha256": "ab", "dimension": 2}
        changed = {**result("z.jpg"), "model": model}
        write(folder / f"photos/z.jpg/e.{contract}.json", changed)
    assert run(folder, "--model", "tiny@aaaaaaaaaaaa") == 0
    assert {row["contract"] for row in rows(folder)} == {"tiny@aaaaaaaaaaaa"}
    assert run(folder, "--model", "tiny") == 0
    found = {row["contract"] for row in rows(folder)}
    assert found == {None, "tiny@aaaaaaaaaaaa", "tiny@bbbbbbbbbbbb"}


def test_results_of_a_replaced_picture_are_distinguished_by_when_they_were_written(
    folder: Path,
) -> None:
    written = {"older": datetime(2024, 2, 29, 23, 59, 58, 500_000, UTC), "newer": datetime.now(UTC)}
    for etag, at in written.items():
        path = folder / f"photos/z.jpg/{etag}.tiny.json"
        write(path, result("z.jpg", object={**result("z.jpg")["object"], "etag": etag}))
        os.utime(path, (at.timestamp(), at.timestamp()))
    assert run(folder) == 0
    found = {row["etag"]: row["written_at"] for row in rows(folder) if row["key"] == "z.jpg"}
    assert found["older"] == written["older"]
    assert abs(found["newer"] - written["newer"]) < timedelta(milliseconds=1)


def test_rejected_object_is_a_row_with_its_error(folder: Path) -> None:
    error = {"code": "FaceNotFound", "message": "No face.", "details": {}, "retryable": False}
    broken = {**result("z.jpg", 0), "error": error}
    del broken["width"], broken["height"]
    write(folder / "photos/z.jpg/e.tiny.json", broken)
    assert run(folder) == 0
    last = rows(folder)[-1]
    assert (last["key"], last["error_code"], last["face"]) == ("z.jpg", "FaceNotFound", None)
    assert last["embedding"] is None
    assert last["written_at"] is not None


def test_crop_without_landmarks_and_quality_is_a_row(folder: Path) -> None:
    bare = result("z.jpg")
    bare["faces"][0].update(landmarks=None, quality=None)
    write(folder / "photos/z.jpg/e.tiny.json", bare)
    run(folder)
    assert (rows(folder)[-1]["landmarks"], rows(folder)[-1]["yaw"]) == (None, None)


def test_other_files_and_answers_to_requests_are_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "_requests/m.json", {"operation": "embed"})
    write(folder / "notes.txt", "hello")
    write(folder / "broken.json", "{")
    before = len(list(folder.rglob("*.tiny.json")))
    assert run(folder) == 0
    assert len({row["key"] for row in rows(folder)}) == 4
    captured = capsys.readouterr()
    assert f"of {before} results" in captured.out
    assert "3 objects are not results" in captured.err


def test_a_key_may_be_named_like_the_answers_to_requests(folder: Path) -> None:
    for key in ("holiday_requests/b.jpg", "2024/_requests/c.jpg"):
        write(folder / f"photos/{key}/e.tiny.json", result(key))
    run(folder)
    assert {"holiday_requests/b.jpg", "2024/_requests/c.jpg"} <= {
        row["key"] for row in rows(folder)
    }


def test_model_can_be_chosen(folder: Path) -> None:
    write(folder / "photos/z.jpg/e.other.json", result("z.jpg", model="other"))
    run(folder, "--model", "other")
    assert [row["key"] for row in rows(folder)] == ["z.jpg"]


FACES = sum(number % 3 for number in range(7))  # of `folder`


def leave_parts(folder: Path) -> Path:
    """Parts of two results each, as an interruption at the fifth of the seven leaves them."""

    def interrupted(self: Folder, key: str) -> bytes:
        if key.startswith("photos/5"):
            raise KeyboardInterrupt
        return (self.root / key).read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "read", interrupted)
        assert run(folder, "--page", "2") == 130
    return folder.parent / "faces.parquet.parts"


def test_interrupted_run_continues_where_it_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_parts(folder)
    assert not (folder.parent / "faces.parquet").exists()
    read, reads = Folder.read, []
    monkeypatch.setattr(Folder, "read", lambda self, key: reads.append(key) or read(self, key))
    assert run(folder, "--page", "2") == 0
    assert sorted(reads) == [f"photos/{number} ü.jpg/e.tiny.json" for number in (4, 5, 6)]
    assert len(rows(folder)) == FACES
    assert None not in {row["written_at"] for row in rows(folder)}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["faces.parquet", "results"]


def test_run_interrupted_while_it_removes_its_parts_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(parts: Path, **_: Any) -> None:
        min(parts.iterdir()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        assert run(folder, "--page", "2") == 130
    assert len(rows(folder)) == FACES
    assert run(folder, "--page", "2") == 0
    assert len(rows(folder)) == FACES
    assert sorted(path.name for path in folder.parent.iterdir()) == ["faces.parquet", "results"]


@pytest.mark.parametrize("missing", [0, 1])
def test_parts_with_a_hole_are_not_continued(
    folder: Path, missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = leave_parts(folder)
    write(folder.parent / "faces.parquet", "complete")
    shutil.copy(parts / "000001.parquet", parts / "000002.parquet")
    (parts / f"{missing:06}.parquet").unlink()
    assert run(folder) == 1
    assert "--restart" in capsys.readouterr().err
    assert (folder.parent / "faces.parquet").read_text() == "complete"
    assert run(folder, "--restart") == 0
    assert len(rows(folder)) == FACES


def test_parts_of_an_older_version_are_not_continued(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in leave_parts(folder).iterdir():
        pq.write_table(pq.read_table(part).drop_columns(["written_at"]), part)
    capsys.readouterr()
    assert run(folder) == 1
    said = capsys.readouterr().err
    assert ("another version" in said, "--restart" in said) == (True, True)
    assert run(folder, "--restart") == 0


def test_parts_that_cannot_be_removed_are_not_mistaken_for_a_restart(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: str, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    leave_parts(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refused)
        assert run(folder, "--restart") == 1
    assert "cannot be removed (Permission denied)" in capsys.readouterr().err
    assert not (folder.parent / "faces.parquet").exists()
    assert run(folder) == 0
    assert len(rows(folder)) == FACES


def test_parts_of_another_source_are_not_mixed_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder)
    parts = folder.parent / "faces.parquet.parts"
    parts.mkdir()
    other = pq.read_table(folder.parent / "faces.parquet").replace_schema_metadata(
        {collect.SOURCE_KEY: "elsewhere", collect.LAST_KEY: "k", "facenet.results": "1"}
    )
    pq.write_table(other, parts / "000000.parquet")
    assert run(folder) == 1
    assert "--restart" in capsys.readouterr().err
    assert run(folder, "--restart") == 0


def test_nothing_is_said_and_no_file_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty") == 1
    assert "no results" in capsys.readouterr().err
    assert not (tmp_path / "faces.parquet").exists()


def test_a_model_that_made_none_of_the_results_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--model", "typo") == 1
    assert "no results of the model 'typo'" in capsys.readouterr().err


def test_prefix_is_listed_after_the_last_key_in_pages() -> None:
    asked = {}
    at = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)

    class Client:
        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
            asked.update(arguments)
            return [{"Contents": [{"Key": "out/a", "LastModified": at}]}, {}]

    pages = list(Prefix(Client(), "faces", "out/").pages("out/0", 500))
    assert pages == [{"out/a": at}]
    assert (asked["Bucket"], asked["Prefix"], asked["StartAfter"]) == ("faces", "out/", "out/0")
    assert asked["PaginationConfig"] == {"PageSize": 500}
