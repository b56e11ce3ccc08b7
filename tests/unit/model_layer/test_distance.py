import numpy as np
import pytest

from model_layer import ModelMismatch, distances, normalise
from model_layer.distance import unit


def unit_vectors(count: int, seed: int) -> np.ndarray:
    return normalise(np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32))


def test_every_row_meets_every_row() -> None:
    left, right = unit_vectors(3, seed=0), unit_vectors(4, seed=1)

    matrix = distances(left, right)

    expected = np.linalg.norm(left[:, None].astype(np.float64) - right[None], axis=2)
    assert (matrix.shape, matrix.dtype) == ((3, 4), np.float32)
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


def test_a_vector_is_at_no_distance_from_itself_and_two_from_its_opposite() -> None:
    vectors = unit_vectors(5, seed=2)

    np.testing.assert_allclose(np.diag(distances(vectors, vectors)), 0, atol=1e-6)
    np.testing.assert_allclose(np.diag(distances(vectors, -vectors)), 2, atol=1e-6)
    assert distances(unit_vectors(400, seed=4), -unit_vectors(400, seed=4)).max() == 2


def test_tiny_differences_are_not_lost_in_rounding() -> None:
    left = unit_vectors(1, seed=3)
    right = left.copy()
    right[0, 0] += np.float32(1e-4)

    assert distances(left, right)[0, 0] == pytest.approx(1e-4, rel=1e-2)


def test_embeddings_of_two_dimensions_are_a_mismatch() -> None:
    with pytest.raises(ModelMismatch) as caught:
        distances(np.zeros((1, 3), np.float32), np.zeros((1, 4), np.float32))

    assert caught.value.details == {"dimensions": [3, 4]}


def test_normalise_gives_unit_rows_and_leaves_zero_rows_zero() -> None:
    scaled = normalise(np.array([[3, 4], [0, 0]], np.float32))

    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0]], atol=1e-7)


def test_a_vector_from_outside_gets_unit_length_however_long_it_is() -> None:
    for length in (1e-3, 1.0, 1e200):
        found = unit(np.array([3.0, 4.0]) * length)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("number", [0.0, 1e-9, np.inf, np.nan])
def test_numbers_that_are_no_direction_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="zero or not finite"):
        unit(np.full(4, number))
