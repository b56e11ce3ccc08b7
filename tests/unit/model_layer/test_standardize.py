import numpy as np
import pytest

from model_layer import standardize


def prewhiten_as_published(picture: np.ndarray) -> np.ndarray:
    """`facenet.prewhiten` of davidsandberg/facenet, for one picture."""
    std_adj = np.maximum(np.std(picture), 1.0 / np.sqrt(picture.size))
    return np.multiply(np.subtract(picture, np.mean(picture)), 1 / std_adj)


@pytest.fixture
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack(
        [
            rng.integers(0, 256, (7, 7, 3), dtype=np.uint8),
            rng.integers(100, 110, (7, 7, 3), dtype=np.uint8),
        ]
    )


def test_fixed_maps_bytes_to_about_minus_one_to_one() -> None:
    ends = np.array([0, 255, 128], np.uint8).reshape(1, 1, 1, 3)

    scaled = standardize(ends, "fixed")

    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.ravel(), np.float32([-127.5, 127.5, 0.5]) / 128)


def test_prewhiten_is_the_published_one_picture_by_picture(pictures: np.ndarray) -> None:
    whitened = standardize(pictures, "prewhiten")

    assert whitened.dtype == np.float32
    for index, picture in enumerate(pictures):
        np.testing.assert_allclose(whitened[index], prewhiten_as_published(picture), atol=1e-6)


def test_prewhiten_turns_a_picture_of_one_colour_into_zeros() -> None:
    flat = np.full((1, 4, 4, 3), 200, np.uint8)

    np.testing.assert_array_equal(standardize(flat, "prewhiten"), np.zeros((1, 4, 4, 3)))
