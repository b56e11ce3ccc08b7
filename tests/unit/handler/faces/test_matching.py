"""Pairs of faces of different images, nearest first."""

import numpy as np
import pytest

from handler.faces.matching import match, nearest_of_first


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def places(groups: list[np.ndarray]) -> list[tuple[int, int, int, int]]:
    pairs = match(groups, 0.5, lambda distance: 1 - distance / 2)
    return [(pair.a.image, pair.a.face, pair.b.image, pair.b.face) for pair in pairs]


def test_two_faces_make_one_pair_with_distance_and_verdict() -> None:
    (pair,) = match([unit(0), unit(60)], 1.0, lambda distance: 1 - distance / 2)
    assert pair.distance == pytest.approx(1.0, abs=1e-6)
    assert pair.similarity == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("threshold", "same"), [(1.01, True), (0.99, False)])
def test_the_threshold_is_the_largest_distance_that_is_the_same(
    threshold: float, same: bool
) -> None:
    (pair,) = match([unit(0), unit(60)], threshold, lambda _: 0.5)
    assert pair.same is same


def test_the_verdict_agrees_with_the_distance_that_is_answered() -> None:
    for degrees in np.linspace(0, 180, 200):
        groups = [unit(0), unit(float(degrees))]
        (pair,) = match(groups, 1.0, lambda _: 0.5)
        assert pair.same is (pair.distance <= 1.0)
        (again,) = match(groups, pair.distance, lambda _: 0.5)
        assert again.same is True


def test_every_pair_of_images_appears_nearest_first() -> None:
    assert places([unit(0), unit(50), unit(20)]) == [(0, 0, 2, 0), (1, 0, 2, 0), (0, 0, 1, 0)]


def test_faces_of_one_image_are_no_pair() -> None:
    assert places([unit(0), unit(90, 10, 5)]) == [(0, 0, 1, 2), (0, 0, 1, 1), (0, 0, 1, 0)]


def test_opposite_vectors_are_two_apart_and_not_more() -> None:
    (pair,) = match([unit(0), unit(180)], 1.0, lambda _: 0.0)
    assert pair.distance == 2.0


def test_the_verdict_is_about_image_0_even_where_others_are_nearer() -> None:
    pairs = match([unit(0), unit(50), unit(51)], 1.0, lambda _: 0.5)
    nearest = nearest_of_first(pairs)
    assert (nearest.a.image, nearest.b.image) == (0, 1)
    assert pairs[0].a.image == 1
