"""From vectors to the report, its JSON and its page."""

import dataclasses
import json

import numpy as np
import pytest

from tools.evaluate import charts, report

PAIRS = 120


@pytest.fixture
def measured() -> tuple[report.Report, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    same = np.arange(PAIRS) % 2 == 0
    distances = np.where(same, random.normal(0.6, 0.15, PAIRS), random.normal(1.3, 0.15, PAIRS))
    folds = np.arange(PAIRS) // 40
    found = np.arange(200) != 7
    facts = {"model": "a-model", "dataset": "made-up pairs"}
    result = report.measure(distances, same, folds, facts=facts, found=found, rounds=50)
    return result, distances, same


def test_subtracting_the_mean_uses_the_other_folds_only() -> None:
    vectors = np.eye(4, dtype=np.float32)
    left, right, folds = np.array([0, 2]), np.array([1, 3]), np.array([1, 2])
    rows = report.pair_distances(vectors, left, right, folds, subtract_mean=True)
    # Fold 1 moves by the mean of vectors 2 and 3, which opens no angle between 2 and 3 but 180.
    assert rows.shape == (2, 2)
    assert rows[0, 1] == pytest.approx(2.0)
    assert rows[1, 0] == pytest.approx(2.0)
    assert report.own_fold(rows, folds) == pytest.approx([rows[0, 0], rows[1, 1]])


def test_distances_without_mean_are_plain_l2() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    both = np.array([0]), np.array([1]), np.array([1])
    assert report.pair_distances(vectors, *both, subtract_mean=False) == pytest.approx([2**0.5])


def test_faces_not_found_are_counted(measured: tuple[report.Report, ...]) -> None:
    assert (measured[0].pictures, measured[0].faces_not_found) == (200, 1)
    assert "no face found in 1" in report.to_markdown(measured[0])


def test_json_of_a_report_is_json_and_carries_manifest_fields(
    measured: tuple[report.Report, ...],
) -> None:
    document = json.loads(json.dumps(report.to_json(measured[0])))
    fields = document["manifest"]
    assert fields["thresholds"]["default"]["distance"] == fields["thresholds"]["by_far"]["0.01"]
    assert list(fields["thresholds"]["by_far"]) == ["0.1", "0.01", "0.001"]
    assert fields["calibration"]["slope"] > 0
    assert document["accuracy"]["mean"] > 0.95


def test_a_threshold_in_a_manifest_is_at_most_the_measured_one(
    measured: tuple[report.Report, ...],
) -> None:
    rows = tuple(dataclasses.replace(row, threshold=1.00009) for row in measured[0].by_far)
    exact = dataclasses.replace(measured[0], by_far=rows)
    by_far = report.to_json(exact)["manifest"]["thresholds"]["by_far"]
    assert set(by_far.values()) == {1.0}
    assert "| 0.001 | 1.0000 |" in report.to_markdown(exact)


def test_a_mean_that_was_subtracted_goes_into_the_manifest(
    measured: tuple[report.Report, ...],
) -> None:
    vectors = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    mean = report.mean_of(vectors, np.array([0, 0]), np.array([1, 2]))
    moved = dataclasses.replace(measured[0], mean=tuple(mean.tolist()))
    fields = json.loads(json.dumps(report.to_json(moved)))["manifest"]
    assert fields["embedding"] == {"dimension": 2, "metric": "l2", "mean": [0.5, 0.5]}
    assert "embedding" not in report.to_json(measured[0])["manifest"]


def test_page_names_every_picture_that_is_drawn(
    measured: tuple[report.Report, np.ndarray, np.ndarray], tmp_path: object
) -> None:
    result, distances, same = measured
    folder = tmp_path / "made" / "here"  # type: ignore[operator]
    charts.draw_all(result, distances, same, folder)
    drawn = sorted(path.name for path in folder.iterdir())
    assert drawn == ["det.png", "reliability.png", "roc.png", "scores.png"]
    assert all(f"]({name})" in report.to_markdown(result) for name in drawn)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())


def test_interval_of_a_share_is_wide_for_few_pairs_and_never_leaves_its_range() -> None:
    low, high = charts.wilson_interval(np.array([1.0, 1.0, 0.5]), np.array([2, 2000, 100]))
    # By hand: (1 + 1.9208) / (1 + 3.8416 / 2) less 0.6576 for two of two.
    assert low[0] == pytest.approx(0.3424, abs=1e-3)
    assert high[0] == pytest.approx(1.0)
    assert low[1] > 0.998
    assert (low[2], high[2]) == (pytest.approx(0.404, abs=2e-3), pytest.approx(0.596, abs=2e-3))
