"""Counting in blocks finds every pair of strangers, each once, in whatever blocks."""

import numpy as np
import pytest

from tools.evaluate import strangers
from tools.evaluate.people import People

PICTURES, DIMENSION = 90, 8


@pytest.fixture
def vectors() -> np.ndarray:
    found = np.random.default_rng(2).normal(size=(PICTURES, DIMENSION)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def people() -> People:
    return People(np.random.default_rng(3).integers(0, 40, PICTURES), "made up", complete=True)


def by_hand(vectors: np.ndarray, people: People) -> np.ndarray:
    left, right = np.triu_indices(len(vectors), 1)
    others = people.index[left] != people.index[right]
    wide = vectors.astype(np.float64)
    return np.sort(np.linalg.norm(wide[left] - wide[right], axis=1)[others])


@pytest.mark.parametrize("block", [1, 1000, 1 << 20])
def test_every_pair_is_counted_once_in_blocks_of_any_size(
    block: int, vectors: np.ndarray, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "BLOCK", block)
    expected = by_hand(vectors, people)
    folds = np.arange(PICTURES) % 3
    found = strangers.count_all(vectors, people, folds)
    assert found.total == len(expected) == found.counts.sum()
    kept = len(found.distances)
    assert kept >= strangers.KEPT_SHARE * found.total
    assert found.distances == pytest.approx(expected[:kept], abs=2e-3)
    assert (found.stands_for == 1).all()
    assert (found.left != found.right).all()


def test_a_histogram_tells_folds_apart(vectors: np.ndarray, people: People) -> None:
    folds = np.where(np.arange(PICTURES) < 30, 1, 2)
    found = strangers.count_all(vectors, people, folds)
    inside = strangers.count_all(
        vectors[:30], People(people.index[:30], "", complete=True), folds[:30]
    )
    assert found.folds.tolist() == [1, 2]
    assert np.array_equal(found.counts[0, 0], inside.counts[0, 0])


def test_many_pairs_are_thinned_and_still_stand_for_all(
    vectors: np.ndarray, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "KEPT_PAIRS", 200)
    monkeypatch.setattr(strangers, "KEPT_SHARE", 0.5)
    found = strangers.count_all(vectors, people, np.ones(PICTURES, np.int64))
    expected = by_hand(vectors, people)
    assert len(found.distances) < 300
    assert found.distances[:90] == pytest.approx(expected[:90], abs=2e-3)
    assert found.stands_for[:90].tolist() == [1.0] * 90
    assert found.stands_for.sum() == pytest.approx(0.5 * found.total, rel=0.25)


def test_a_draw_of_everybody_once_has_all_pairs(vectors: np.ndarray, people: People) -> None:
    found = strangers.count_all(vectors, people, np.ones(PICTURES, np.int64))
    assert found.draw_total(np.ones(people.count, np.int64)) == found.total


def test_labelled_pairs_alone_are_counted_where_no_more_is_known() -> None:
    known = People(np.arange(4), "labels", complete=False)
    distances = np.array([1.2, 0.9])
    found = strangers.count_labelled(
        distances, np.array([0, 2]), np.array([1, 3]), known, np.ones(2, np.int64)
    )
    assert (found.total, found.distances.tolist()) == (2, [0.9, 1.2])
    assert found.draw_total(np.array([2, 1, 0, 5])) == 2
