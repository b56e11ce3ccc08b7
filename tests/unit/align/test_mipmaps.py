"""Halvings and crops sampled from them."""

import numpy as np
import pytest

from align.mipmaps import Mipmaps, halvings


@pytest.fixture
def ramp() -> np.ndarray:
    down, across = np.mgrid[0:200, 0:240]
    return np.stack([across, down, np.full_like(down, 9)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("shrink", "expected"), [(0.2, 0), (1, 0), (1.99, 0), (2, 1), (7.9, 2), (8, 3)]
)
def test_halvings_never_pass_the_wanted_size(shrink: float, expected: int) -> None:
    assert halvings(shrink) == expected


def test_each_level_is_half_of_the_one_before(ramp: np.ndarray) -> None:
    mipmaps = Mipmaps(ramp)
    assert mipmaps.level(0) is ramp
    assert mipmaps.level(3).shape == (25, 30, 3)
    assert mipmaps.at_least(0.3).shape == (100, 120, 3)


@pytest.mark.parametrize("side", [24, 48, 100, 150])
def test_a_crop_holds_what_the_box_holds(side: int, ramp: np.ndarray) -> None:
    # One-based, inclusive: columns 31 to 30 + side are the pixels from 30 on.
    box = np.array([[31.0, 21.0, 30.0 + side, 20.0 + side]])
    crop = Mipmaps(ramp).cut(box, 24)[0].astype(float)
    centres = (np.arange(24) + 0.5) * side / 24 - 0.5
    assert np.abs(crop[12, :, 0] - (30 + centres)).max() < 1.1
    assert np.abs(crop[:, 12, 1] - (20 + centres)).max() < 1.1


def test_beyond_the_picture_is_black(ramp: np.ndarray) -> None:
    crops = Mipmaps(ramp).cut(np.array([[-47.0, 1.0, 0.0, 48.0], [1.0, 1.0, 48.0, 48.0]]), 24)
    assert crops[0].max() == 0
    assert (crops[1][..., 2] == 9).all()


def test_no_boxes_give_no_crops(ramp: np.ndarray) -> None:
    assert Mipmaps(ramp).cut(np.empty((0, 4)), 48).shape == (0, 48, 48, 3)


def test_mapped_halvings_have_new_values_in_the_same_places(ramp: np.ndarray) -> None:
    negative = np.arange(255, -1, -1, dtype=np.uint8)
    mapped = Mipmaps(ramp).mapped(negative)
    for index in (0, 1):
        assert np.array_equal(mapped.level(index), 255 - Mipmaps(ramp).level(index))
