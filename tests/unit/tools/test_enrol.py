"""People's folders, and files of embeddings, into a collection: resumed, and never twice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow: group collect")

import pyarrow as pa
import pyarrow.parquet as pq

from handler import app
from tests.unit.handler.service_fakes import (
    BLACK,
    BLUE,
    CONTRACT,
    GREEN,
    RED,
    FakeContext,
    make_service,
    picture,
)
from tools import enrol
from tools.client import Client
from tools.client.answers import answer_of
from tools.collect_rows import SCHEMA


class Function:
    """The function, called directly; fails at the calls that `fails` names."""

    def __init__(self, folder: Path, fails: set[int] | None = None) -> None:
        self.service = make_service(collections=str(folder))
        self.fails = fails or set()
        self.calls: list[str] = []

    def client(self) -> Client:
        return Client(self.call)

    def call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if len(self.calls) in self.fails:
            raise OSError("the connection broke")
        answer = app.dispatch({"operation": operation, **body}, FakeContext(), self.service)
        return answer_of(200, json.dumps(answer).encode())


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Function:
    made = Function(tmp_path / "truth")
    monkeypatch.setattr(enrol, "client_of", lambda options: made.client())
    return made


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for name, colours in {"Ann": (RED, BLACK), "Zoë B.": (GREEN,), "empty": ()}.items():
        (folder / name).mkdir(parents=True)
        for row, colour in enumerate(colours):
            (folder / name / f"{row}.png").write_bytes(picture(colour))
    (folder / "Ann" / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: Any) -> int:
    return enrol.main([*map(str, arguments), "-c", "staff", "--quiet"])


def persons(function: Function) -> list[str]:
    return sorted(function.call("list_persons", {"collection": "staff"})["persons"])


def test_a_folder_for_each_person_is_enrolled(
    function: Function, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "enrolled.parquet"
    assert run(people, "-o", output) == 0
    assert persons(function) == ["Ann", "Zoë B."]
    assert "2 faces added, 0 already there, 1 pictures refused" in capsys.readouterr().out
    rows = pq.read_table(output).to_pylist()
    assert [(row["key"], row["added"], row["error_code"]) for row in rows] == [
        ("Ann/0.png", True, None),
        ("Ann/1.png", None, "FaceNotFound"),
        ("Zoë B./0.png", True, None),
    ]
    assert set(SCHEMA.names) < set(rows[0])
    assert rows[0]["right"] > rows[0]["left"]
    assert len(rows[0]["face_id"]) == 40


def test_it_continues_where_it_stopped(function: Function, people: Path) -> None:
    function.fails = {4}  # the third picture
    assert run(people) == 1
    function.fails = set()
    function.calls.clear()
    assert run(people) == 0
    assert function.calls.count("enrol") == 1
    assert persons(function) == ["Ann", "Zoë B."]
    function.calls.clear()
    assert run(people, "--restart") == 0
    assert function.calls.count("enrol") == 3


def test_embeddings_of_a_file_are_enrolled(function: Function, tmp_path: Path) -> None:
    blue = np.array(BLUE, np.float32)
    blue /= np.linalg.norm(blue)
    row = {"bucket": "b", "face": 0, "embedding": blue.tolist(), enrol.CONTRACT_COLUMN: CONTRACT}
    rows = [{**row, "key": "in/people/Blue/1.jpg"}, {**row, "key": "in/party.jpg"}]
    source = tmp_path / "faces.parquet"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), source)
    assert run(source) == 0
    assert persons(function) == ["Blue"]


def test_a_source_without_people_says_so(
    function: Function, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    assert run(tmp_path / "none") == 1
    assert "make one folder per person" in capsys.readouterr().err
