"""From vectors to the report, its JSON and its page."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest

from model_layer.thresholds import Thresholds
from tools.evaluate import charts, measurement, report
from tools.evaluate.dataset import Pairs
from tools.evaluate.people import identify
from tools.evaluate.strangers import Strangers

PEOPLE, PAIRS = 120, 120
Measured = tuple[measurement.Report, np.ndarray, Pairs, Strangers]


@pytest.fixture(scope="module")
def measured() -> Measured:
    """Two pictures of each of 120 people; every second pair is of one person."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(PEOPLE, 16))
    found = np.repeat(centres, 2, axis=0) + random.normal(0, 0.45, (2 * PEOPLE, 16))
    vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    names = tuple(f"p{place // 2:03d}_{place % 2}.jpg" for place in range(2 * PEOPLE))
    same = np.arange(PAIRS) % 2 == 0
    left = 2 * np.arange(PAIRS)
    right = np.where(same, left + 1, (left + 2) % (2 * PEOPLE))
    pairs = Pairs(names, left, right, np.arange(PAIRS) // 40, same)
    distances = measurement.pair_distances(vectors, left, right, pairs.folds, subtract_mean=False)
    people = identify(pairs)
    strangers = measurement.strangers_of(vectors, distances, pairs, people, None)
    facts = {"model": "a-model", "dataset": "made-up pairs"}
    result = measurement.measure(
        distances, pairs, people, strangers, facts=facts, found=np.arange(240) != 7, rounds=50
    )
    return result, distances, pairs, strangers


def test_subtracting_the_mean_uses_the_other_folds_only() -> None:
    vectors = np.eye(4, dtype=np.float32)
    left, right, folds = np.array([0, 2]), np.array([1, 3]), np.array([1, 2])
    rows = measurement.pair_distances(vectors, left, right, folds, subtract_mean=True)
    # Fold 1 moves by the mean of vectors 2 and 3, which opens no angle between 2 and 3 but 180.
    assert rows.shape == (2, 2)
    assert rows[0, 1] == pytest.approx(2.0)
    assert rows[1, 0] == pytest.approx(2.0)
    assert measurement.select_own_fold(rows, folds) == pytest.approx([rows[0, 0], rows[1, 1]])


def test_distances_without_mean_are_plain_l2() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    both = np.array([0]), np.array([1]), np.array([1])
    assert measurement.pair_distances(vectors, *both, subtract_mean=False) == pytest.approx(
        [2**0.5]
    )


def test_faces_not_found_are_counted(measured: Measured) -> None:
    assert (measured[0].pictures, measured[0].faces_not_found) == (240, 1)
    assert "no face found in 1" in report.to_markdown(measured[0])


def test_json_of_a_report_is_json_and_carries_manifest_fields(
    measured: Measured,
) -> None:
    document = json.loads(json.dumps(report.to_json(measured[0])))
    fields = document["manifest"]
    thresholds = msgspec.convert(fields["thresholds"], Thresholds)
    assert [row.far for row in thresholds.table] == [0.1, 0.01, 0.001]
    assert thresholds.default == thresholds.table[-1].threshold
    assert thresholds.strangers == 240 * 238 // 2
    assert [row.pairs for row in thresholds.table] == [2856, 285, 28]
    assert fields["calibration"]["slope"] > 0
    assert document["accuracy"]["mean"] > 0.9


def test_the_default_rate_is_the_strictest_measured_where_that_is_higher(
    measured: Measured,
) -> None:
    fields = [report.manifest_fields(measured[0], far) for far in (1e-2, 1e-4)]
    assert [each["thresholds"]["default_far"] for each in fields] == [1e-2, 1e-3]


def test_without_rates_the_default_decides_the_labelled_pairs_best(measured: Measured) -> None:
    few = dataclasses.replace(measured[0], by_far=())
    thresholds = msgspec.convert(report.manifest_fields(few)["thresholds"], Thresholds)
    assert thresholds.default_far is None
    best = np.mean(few.accuracy.squared_thresholds) ** 0.5
    assert thresholds.default == pytest.approx(best, abs=1e-4)
    assert "needs 100 pairs" in report.to_markdown(few)


def test_a_threshold_in_a_manifest_is_at_most_the_measured_one(measured: Measured) -> None:
    rows = tuple(dataclasses.replace(row, threshold=1.00009) for row in measured[0].by_far)
    exact = dataclasses.replace(measured[0], by_far=rows)
    table = report.to_json(exact)["manifest"]["thresholds"]["table"]
    assert {row["threshold"] for row in table} == {1.0}
    assert "| 1.0000 |" in report.to_markdown(exact)


def test_labelled_pairs_alone_are_counted_where_nobody_is_named(measured: Measured) -> None:
    _, distances, pairs, _ = measured
    names = tuple(f"{place}.jpg" for place in range(240))
    unnamed = dataclasses.replace(pairs, names=names)
    people = identify(unnamed)
    vectors = np.zeros((240, 2), np.float32)
    strangers = measurement.strangers_of(vectors, distances, unnamed, people, None)
    assert strangers.total == PAIRS // 2
    result = measurement.measure(
        distances, unnamed, people, strangers, facts={}, found=np.ones(240, bool), rounds=20
    )
    assert "person_a and person_b" in report.to_markdown(result)


def test_a_mean_that_was_subtracted_goes_into_the_manifest(
    measured: Measured,
) -> None:
    vectors = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    mean = measurement.mean_of(vectors, np.array([0, 0]), np.array([1, 2]))
    moved = dataclasses.replace(measured[0], mean=tuple(mean.tolist()))
    fields = json.loads(json.dumps(report.to_json(moved)))["manifest"]
    assert fields["embedding"] == {"dimension": 2, "metric": "l2", "mean": [0.5, 0.5]}
    assert "embedding" not in report.to_json(measured[0])["manifest"]


def test_page_names_every_picture_that_is_drawn(measured: Measured, tmp_path: object) -> None:
    result, distances, pairs, strangers = measured
    folder = tmp_path / "made" / "here"  # type: ignore[operator]
    charts.draw_all(result, distances, pairs.same, strangers, folder)
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
