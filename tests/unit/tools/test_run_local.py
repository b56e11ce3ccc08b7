"""What `make run` says, and when it fails."""

from typing import Any

import pytest

from fixtures.runtime_stub import Answer
from tools import run_local
from tools.run_local import AnswerError

FACE = {"box": {"left": 10.0, "top": 20.0, "width": 90.4, "height": 120.6}}


def answer(**changes: Any) -> dict[str, Any]:
    good = {
        "operation": "compare",
        "distance": 0.5,
        "similarity": 0.981,
        "same": True,
        "threshold": 1.1,
        "images": [
            {"index": index, "width": 512, "height": 480, "faces": [FACE]} for index in (0, 1)
        ],
        "timings_ms": {"decode": 2.0, "total": 15.2},
    }
    return {**good, **changes}


def test_good_answer_is_accepted_and_reported_with_a_message() -> None:
    run_local.check_compare("compare-same", answer())
    text = run_local.describe_compare("compare-same", Answer(answer(), 17.0))
    assert text.startswith("compare-same: the same person")
    assert "distance 0.500, threshold 1.100; similarity 98.1%" in text
    assert "image 1, 512 x 480: face of 90 x 121 pixels at (10, 20)" in text
    assert "decode 2 ms, total 15 ms; 17 ms seen by the caller" in text


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"distance": "0.5"}, "distance should be a float"),
        ({"threshold": None}, "threshold should be a float"),
        ({"same": 1}, "same should be a bool"),
        ({"images": []}, "images 0 and 1"),
        ({"error": {"code": "FaceNotFound", "message": "none"}}, "FaceNotFound"),
        ({"same": False}, "the pictures show one person"),
    ],
)
def test_wrong_answer_is_refused_with_what_is_wrong(changes: Any, complaint: str) -> None:
    with pytest.raises(AnswerError, match=complaint):
        run_local.check_compare("compare-same", answer(**changes))


@pytest.mark.parametrize(
    ("similarity", "text"),
    [(0.99999, "over 99.9%"), (0.981, "98.1%"), (0.5, "50.0%"), (0.00001, "under 0.1%")],
)
def test_probability_is_never_said_to_be_a_certainty(similarity: float, text: str) -> None:
    assert run_local.percent(similarity) == text


def test_unknown_event_lists_those_there_are() -> None:
    with pytest.raises(SystemExit, match="compare-same"):
        run_local.read_event("compare-nothing")


def test_function_that_cannot_start_makes_the_exit_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise run_local.FunctionError("ModelUnavailable: no model")

    monkeypatch.setattr(run_local, "run", broken)
    assert run_local.main([]) == 1
    assert "ModelUnavailable: no model" in capsys.readouterr().err
