import numpy as np
import pytest

from model_layer.refusal import Crowd, Refusal


def crowd(*direction: float, norm_weight: float = 0.0, limit: float = 0.5) -> Crowd:
    return Crowd(condition="made up", direction=direction, norm_weight=norm_weight, limit=limit)


def refusal(*crowds: Crowd) -> Refusal:
    return Refusal(crowds=crowds, refused=0.0, strangers_accepted=0.0, protocol="made up")


VECTORS = np.eye(3, dtype=np.float32)
NORMS = np.array([10, 10, 4], np.float32)


def test_a_face_in_any_crowd_is_refused() -> None:
    found = refusal(crowd(1, 0, 0), crowd(0, 1, 0))
    assert found.refuses(VECTORS, NORMS).tolist() == [True, True, False]
    assert found.scores(VECTORS, NORMS) == pytest.approx([0.5, 0.5, -0.5])


def test_a_small_norm_tells_where_the_direction_does_not() -> None:
    found = refusal(crowd(0, 0, 0, norm_weight=-1, limit=-5))
    assert found.refuses(VECTORS, NORMS).tolist() == [False, False, True]


def test_without_crowds_nobody_is_refused() -> None:
    assert not refusal().refuses(VECTORS, NORMS).any()
