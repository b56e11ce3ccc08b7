"""A face that cannot be judged is refused, and the reasons are said."""

import numpy as np
import pytest

import align
from handler.errors import ApiError
from handler.faces.find import FoundFace, require_quality
from handler.faces.quality import limits_for, shortcomings
from handler.faces.requests import QualityLimits

GOOD = {"size": 120, "sharpness": 0.9, "brightness": 0.5, "yaw": 2.0, "pitch": -5.0, "roll": 1.0}


def face(score: float = 0.99, **changes: float) -> FoundFace:
    quality = align.Quality(**{**GOOD, **changes})  # type: ignore[arg-type]
    return FoundFace((0, 0, 120, 150), np.zeros((5, 2), np.float32), score, quality)


@pytest.mark.parametrize(
    ("change", "limit", "reason"),
    [
        ({"size": 39}, {"size": 40}, "too_small"),
        ({"sharpness": 0.2}, {"sharpness": 0.3}, "blurred"),
        ({"brightness": 0.1}, {"brightness": 0.2}, "too_dark"),
        ({"brightness": 0.9}, {"brightness": 0.2}, "too_bright"),
        ({"yaw": -31.0}, {"yaw": 30}, "turned"),
        ({"pitch": 31.0}, {"pitch": 30}, "turned"),
        ({"roll": -46.0}, {"roll": 45}, "tilted"),
        ({"score": 0.7}, {"score": 0.8}, "low_score"),
    ],
)
def test_each_limit_has_its_reason(
    change: dict[str, float], limit: dict[str, float], reason: str
) -> None:
    wanted = QualityLimits(**limit)
    assert shortcomings(face(**change), wanted) == [reason]
    assert shortcomings(face(), wanted) == []


def test_one_number_asks_for_a_share_of_everything() -> None:
    assert shortcomings(face(), 0.5) == []
    assert shortcomings(face(), 0.0) == []
    assert shortcomings(face(size=20, sharpness=0.01, yaw=80), 0.5) == [
        "too_small",
        "blurred",
        "turned",
    ]
    assert limits_for(1.0).yaw < limits_for(0.5).yaw < limits_for(0.0).yaw


def test_a_blur_that_leaves_faces_distinct_passes_a_low_share() -> None:
    """0.0032: what 95 % of LFW's faces keep under a Gaussian of sigma 3 (of 250 pixels)."""
    assert shortcomings(face(sharpness=0.0032), 0.3) == []
    assert shortcomings(face(sharpness=0.0032), 0.5) == ["blurred"]


def test_a_face_without_landmarks_cannot_be_judged() -> None:
    assert shortcomings(FoundFace((0, 0, 9, 9), None, 0.0), 0.1) == ["no_landmarks"]


def test_the_chosen_face_must_be_good() -> None:
    with pytest.raises(ApiError) as caught:
        require_quality([face(size=10, yaw=89)], 0.5, "largest")
    assert caught.value.code == "LowQuality"
    assert caught.value.details == {"reasons": ["too_small", "turned"]}


def test_of_all_faces_the_good_ones_are_kept_and_none_is_a_refusal() -> None:
    good, bad = face(), face(size=10)
    assert require_quality([bad, good, bad], 0.5, "all") == [good]
    with pytest.raises(ApiError):
        require_quality([bad, bad], 0.5, "all")


def test_without_a_wish_or_without_a_face_nothing_is_refused() -> None:
    assert len(require_quality([face(size=1)], None, "largest")) == 1
    assert require_quality([], 1.0, "largest") == []


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_a_face_whose_orientation_is_in_doubt_never_passes(share: float) -> None:
    assert shortcomings(face(score=0.69), share) == ["low_score"]
    assert shortcomings(face(score=0.71), share) == []
