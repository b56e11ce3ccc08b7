"""The packed pyramid: nothing overlaps, and P-Net on it sees what it sees level by level."""

import itertools

import numpy as np
import pytest

import align
from align.canvas import locate, paint, plan_canvas
from align.mipmaps import Mipmaps
from align.networks import ShapedNetwork

SIZES = [(250, 250, 30.0), (1920, 1080, 65.0), (333, 1201, 30.0), (64, 48, 12.0), (13, 13, 12.0)]


@pytest.mark.parametrize(("width", "height", "min_face"), SIZES)
def test_levels_lie_on_the_canvas_and_do_not_overlap(
    width: int, height: int, min_face: float
) -> None:
    plan = plan_canvas(width, height, min_face)
    assert plan is not None
    taken = np.zeros((plan.height, plan.width), int)
    for place in plan.places:
        assert place.left % 2 == place.top % 2 == 0
        assert place.left + place.width <= plan.width
        assert place.top + place.height <= plan.height
        taken[place.top : place.top + place.height, place.left : place.left + place.width] += 1
    assert taken.max() == 1


@pytest.mark.parametrize(("width", "height", "min_face"), SIZES)
def test_a_cell_belongs_to_a_level_only_if_it_sees_nothing_else(
    width: int, height: int, min_face: float
) -> None:
    plan = plan_canvas(width, height, min_face)
    assert plan is not None
    owned = 0
    for row, column in itertools.product(*map(range, plan.owner.shape)):
        inside = [
            index
            for index, place in enumerate(plan.places)
            if place.left <= 2 * column
            and 2 * column + 12 <= place.left + place.width
            and place.top <= 2 * row
            and 2 * row + 12 <= place.top + place.height
        ]
        assert plan.owner[row, column] == (inside[0] if inside else -1)
        owned += bool(inside)
    assert owned


def test_a_picture_smaller_than_a_face_has_no_canvas() -> None:
    assert plan_canvas(20, 500, 30.0) is None


def test_cells_are_located_in_the_picture() -> None:
    plan = plan_canvas(250, 250, 30.0)
    assert plan is not None
    rows, columns = np.nonzero(plan.owner >= 0)
    boxes = locate(plan, rows, columns)
    assert boxes.min() > 0
    assert boxes.max() <= 251
    sides = boxes[:, 2] - boxes[:, 0]
    assert sides.min() == pytest.approx(30 * 11 / 12, rel=0.02)
    assert sides.max() > 150


def test_the_network_sees_the_same_as_level_by_level(collins: align.Picture) -> None:
    network = ShapedNetwork("pnet", 1, warm=2)
    plan = plan_canvas(512, 512, 40.0)
    assert plan is not None
    canvas = paint(plan, Mipmaps(collins.pixels))
    packed = network(canvas[None])[0]
    for index, place in enumerate(plan.places):
        part = canvas[place.top :, place.left :][: place.height, : place.width]
        alone = network(part[None])[0]
        rows, columns = np.nonzero(plan.owner == index)
        seen = alone[rows - place.top // 2, columns - place.left // 2]
        assert np.abs(packed[rows, columns] - seen).max() < 1e-3
