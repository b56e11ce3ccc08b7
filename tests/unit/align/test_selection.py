"""Which face a request is about."""

import numpy as np
import pytest

import align


def face(left: float, top: float, right: float, bottom: float) -> align.Face:
    return align.Face((left, top, right, bottom), np.zeros((5, 2), np.float32), 0.9)


SMALL_CENTRED = face(90, 90, 110, 110)
LARGE_ASIDE = face(0, 0, 60, 60)
FACES = [SMALL_CENTRED, LARGE_ASIDE]


def test_largest_goes_by_area() -> None:
    assert align.select(FACES, "largest", 200, 200) == [1]


def test_central_weighs_distance_twice_squared() -> None:
    # 400 - 0 against 3600 - 2 * (70^2 + 70^2)
    assert align.select(FACES, "central", 200, 200) == [0]
    # In a picture of 60 x 60 the large one is the central one.
    assert align.select(FACES, "central", 60, 60) == [1]


def test_all_keeps_the_order() -> None:
    assert align.select(FACES, "all", 200, 200) == [0, 1]


@pytest.mark.parametrize("rule", ["largest", "central", "all"])
def test_no_face_is_no_index(rule: str) -> None:
    assert align.select([], rule, 10, 10) == []


def test_an_unknown_rule_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="biggest"):
        align.select(FACES, "biggest", 10, 10)
