"""Box arithmetic, against small sums done by hand and against the definition."""

import numpy as np
import pytest

from align.boxes import (
    apply_offsets,
    apply_proposal_offsets,
    best_first,
    cells_to_boxes,
    square,
    suppress,
    suppress_nested,
)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    corner, end = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.maximum(end - corner + 1, 0))
    areas = [np.prod(box[2:] - box[:2] + 1) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


def test_a_cell_covers_twelve_input_pixels() -> None:
    assert cells_to_boxes(np.array([0]), np.array([0]), 1.0).tolist() == [[1, 1, 12, 12]]
    assert cells_to_boxes(np.array([3]), np.array([5]), 0.6).tolist() == [[18, 11, 36, 30]]


def test_offsets_are_shares_of_the_box() -> None:
    boxes, offsets = np.array([[10.0, 20.0, 19.0, 39.0]]), np.array([[0.1, 0.1, 0.0, -0.1]])
    assert np.allclose(apply_offsets(boxes, offsets), [[11, 22, 19, 37]])
    assert np.allclose(apply_proposal_offsets(boxes, offsets), [[10.9, 21.9, 19, 37.1]])


def test_square_keeps_the_centre() -> None:
    assert square(np.array([[10.0, 0.0, 20.0, 40.0]])).tolist() == [[-5, 0, 35, 40]]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppression_keeps_the_best_and_no_two_that_overlap(threshold: float) -> None:
    random = np.random.default_rng(5)
    corners = random.integers(0, 60, (120, 2)).astype(float)
    boxes = np.concatenate([corners, corners + random.integers(10, 40, (120, 1))], axis=1)
    scores = random.random(120).astype(np.float32)
    kept = suppress(boxes, scores, threshold).tolist()
    assert kept[0] == scores.argmax()
    assert kept == sorted(kept, key=lambda index: -scores[index])
    for index in set(range(120)) - set(kept):
        better = [other for other in kept if scores[other] >= scores[index]]
        assert any(overlap(boxes[index], boxes[other]) > threshold for other in better)
    for one in kept:
        assert all(overlap(boxes[one], boxes[two]) <= threshold for two in kept if two != one)


@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.7])
def test_suppression_in_parts_is_that_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, threshold: float
) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        corners = random.integers(0, 100, (900, 2)).astype(float)  # many just at the threshold
        boxes = np.concatenate([corners, corners + random.integers(9, 40, (900, 1))], axis=1)
        scores = (random.integers(1, 200, 900) / 200).astype(np.float32)  # with ties
        monkeypatch.setattr("align.boxes.SUPPRESSED_AT_ONCE", 1000)
        at_once = suppress(boxes, scores, threshold).tolist()
        monkeypatch.setattr("align.boxes.SUPPRESSED_AT_ONCE", 70)
        assert suppress(boxes, scores, threshold).tolist() == at_once


def test_suppression_of_very_many_looks_at_the_clock() -> None:
    corners = np.stack(np.meshgrid(np.arange(60.0) * 30, np.arange(60.0) * 30), -1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 20], axis=1)
    left = 3

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        suppress(boxes, np.ones(3600, np.float32), 0.5, check)


@pytest.mark.parametrize("count", [3, 40, 900])
def test_a_tie_falls_as_heapsort_leaves_it(count: int) -> None:
    """As in the reference on the machine that made the golden files; see docs/decisions."""
    boxes = np.tile([1.0, 1, 20, 20], (count, 1)) + np.arange(count)[:, None] / count
    scores = np.ones(count, np.float32)
    winner = int(np.argsort(scores, kind="heapsort")[-1])
    assert suppress(boxes, scores, 0.5).tolist() == [winner]
    assert suppress_nested(boxes, scores, 0.5).tolist() == [winner]


def test_nested_suppression_drops_a_part_of_a_face_too() -> None:
    boxes = np.array([[0.0, 0, 100, 100], [30, 30, 60, 60], [200, 0, 300, 100]])
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress(boxes, scores, 0.7).tolist() == [0, 1, 2]
    assert suppress_nested(boxes, scores, 0.7).tolist() == [0, 2]


def test_nothing_is_suppressed_from_nothing() -> None:
    empty = np.empty((0, 4)), np.empty(0, np.float32)
    assert suppress(*empty, 0.5).tolist() == []
    assert suppress_nested(*empty, 0.5).tolist() == []


def test_only_beyond_the_limit_are_candidates_dropped() -> None:
    scores = np.array([0.2, 0.9, 0.5], np.float32)
    assert best_first(scores, 3).tolist() == [0, 1, 2]
    assert best_first(scores, 2).tolist() == [1, 2]
