"""The open-set protocol on people who are known: what rank-1, FPIR and FNIR must come to."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib: group tools")

from tests.unit.handler.service_fakes import make_manifest
from tools.evaluate import search

PEOPLE, EACH, STRANGERS, DIMENSION = 12, 6, 200, 64


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Vectors and people: some with six pictures near each other, and strangers with one."""
    random = np.random.default_rng(3)
    centres = np.repeat(random.normal(size=(PEOPLE, DIMENSION)), EACH, axis=0)
    known = unit(centres + 0.4 * random.normal(size=centres.shape))
    strangers = unit(random.normal(size=(STRANGERS, DIMENSION)))
    people = np.concatenate([np.repeat(np.arange(PEOPLE), EACH), PEOPLE + np.arange(STRANGERS)])
    return np.concatenate([known, strangers]), people


@pytest.mark.parametrize("score", ["mean", "best"])
def test_people_who_are_easy_to_tell_are_found(
    pictures: tuple[np.ndarray, np.ndarray], score: search.Score
) -> None:
    trials = list(search.draw_trials(*pictures, score, 3))
    assert [trial.persons for trial in trials] == [PEOPLE] * 3
    assert len(trials[0].mates) == PEOPLE * (EACH - search.ENROLLED)
    assert len(trials[0].strangers) == STRANGERS
    result = search.measure(trials, score, make_manifest())
    assert result.rank_1.value == 1.0
    assert result.fnir["0.01"].value == 0.0
    assert result.rule_fpir["0.01"].value <= 0.01


def test_the_mean_of_a_person_is_nearer_than_the_nearest_picture(
    pictures: tuple[np.ndarray, np.ndarray],
) -> None:
    mean, best = (next(search.draw_trials(*pictures, score, 1)) for score in ("mean", "best"))
    assert mean.mates.mean() < best.mates.mean()


def test_no_more_strangers_are_taken_than_the_rate_allows() -> None:
    trial = SimpleNamespace(strangers=np.linspace(0.5, 1.5, 1000))
    for rate, taken in ((0.01, 10), (0.001, 1), (0.0, 0)):
        limit = search._threshold(trial, np.ones(1000), rate)
        assert (trial.strangers <= limit).sum() == taken


def test_whoever_is_found_as_somebody_else_is_missed() -> None:
    trial = SimpleNamespace(mates=np.array([0.1, 0.2, 0.9]), right=np.array([True, False, True]))
    assert search._missed(trial, np.ones(3), 0.5) == pytest.approx(2 / 3)
    assert search._missed(trial, np.array([1, 0, 0]), 0.5) == 0.0


def test_pictures_without_strangers_are_refused() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(8, 4)))
    with pytest.raises(SystemExit, match="more than 3 pictures"):
        list(search.draw_trials(vectors, np.repeat([0, 1], 4), "mean", 1))


def test_the_report_has_a_line_for_each_score(
    pictures: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    trials = {score: list(search.draw_trials(*pictures, score, 1)) for score in ("mean", "best")}
    results = [search.measure(group, score, make_manifest()) for score, group in trials.items()]
    text = search.write(results, trials, tmp_path, {"model": "tiny"})
    assert text.count("\n| ") == 3
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "report.json", "fnir.png"}
