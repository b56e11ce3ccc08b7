"""Detection on two photographs, in every size and both profiles."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import align
from align import known_face, networks
from align.networks import ShapedNetwork
from align.types import Header, no_check
from align.views import ExactView, likely_cells


def overlap(one: align.Face, other: align.Face) -> float:
    width = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    height = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def resized(picture: align.Picture, side: int) -> align.Picture:
    method = cv2.INTER_AREA if side < picture.width else cv2.INTER_CUBIC
    return align.Picture(cv2.resize(picture.pixels, (side, side), interpolation=method), side, side)


@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_one_face_with_landmarks_in_order(
    profile: str, collins: align.Picture, request: pytest.FixtureRequest
) -> None:
    faces = request.getfixturevalue(profile).detect(collins)
    assert len(faces) == 1
    (left, top, right, bottom), points = faces[0].box, faces[0].landmarks
    assert (points.shape, points.dtype) == ((5, 2), np.float32)
    assert 0.9 < faces[0].score <= 1
    assert (points > (left, top)).all()
    assert (points < (right, bottom)).all()
    eye_left, eye_right, nose, mouth_left, mouth_right = points
    assert eye_left[0] < nose[0] < eye_right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(eye_left[1], eye_right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_both_profiles_agree(
    collins: align.Picture, fast: align.Detector, exact: align.Detector
) -> None:
    quick, careful = fast.detect(collins)[0], exact.detect(collins)[0]
    assert overlap(quick, careful) > 0.8
    assert np.abs(quick.landmarks - careful.landmarks).max() < 0.06 * careful.width


def test_faces_come_best_first(photographs: Path, fast: align.Detector) -> None:
    faces = fast.detect(align.decode((photographs / "two_people.jpg").read_bytes()))
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score


@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_a_picture_without_a_face_gives_none(
    profile: str, photographs: Path, request: pytest.FixtureRequest
) -> None:
    picture = align.decode((photographs / "no_face.jpg").read_bytes())
    assert request.getfixturevalue(profile).detect(picture) == []


@pytest.mark.parametrize("profile", ["fast", "exact"])
@pytest.mark.parametrize("shape", [(1, 1), (11, 400), (30, 30), (400, 12), (2000, 31)])
def test_odd_sizes_are_answered(
    profile: str, shape: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    picture = align.Picture(noise, shape[1], shape[0])
    assert isinstance(request.getfixturevalue(profile).detect(picture), list)


@pytest.mark.parametrize("side", [150, 250, 900, 1800])
def test_the_face_is_found_in_every_size(
    side: int, collins: align.Picture, fast: align.Detector
) -> None:
    original = fast.detect(collins)[0]
    found = fast.detect(resized(collins, side))[0]
    shrunk = align.Face(
        tuple(value * 512 / side for value in found.box), found.landmarks, found.score
    )
    assert overlap(shrunk, original) > 0.75


@pytest.mark.parametrize("reduction", [2, 4])
def test_a_reduced_picture_gives_full_size_coordinates(
    reduction: int, collins: align.Picture, fast: align.Detector
) -> None:
    data = cv2.imencode(".jpg", resized(collins, 2048).pixels[..., ::-1])[1].tobytes()
    full = fast.detect(align.decode(data))[0]
    reduced = fast.detect(align.decode(data, reduction=reduction))[0]
    assert overlap(full, reduced) > 0.85
    assert np.abs(full.landmarks - reduced.landmarks).max() < 0.05 * full.width


def test_the_same_picture_gives_the_same_faces_between_others(
    collins: align.Picture, fast: align.Detector
) -> None:
    before = fast.detect(collins)
    for side in (100, 130, 170, 222, 300, 401):
        fast.detect(resized(collins, side))
    assert fast.detect(collins) == before


def test_min_face_in_pixels_and_as_a_share(collins: align.Picture) -> None:
    face_width = 87
    for small in (60, 60 / 512):
        assert align.Detector.load(min_face=small).detect(collins)
    for large in (4 * face_width, 4 * face_width / 512):
        assert align.Detector.load(min_face=large).detect(collins) == []


@pytest.mark.parametrize("min_face", [0, -3, float("nan")])
def test_a_min_face_that_is_not_positive_is_refused(min_face: float) -> None:
    with pytest.raises(ValueError, match="min_face"):
        align.Detector.load(min_face=min_face)


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="quick"):
        align.Detector.load("quick")


def test_landmarks_of_a_whole_crop(photographs: Path, fast: align.Detector) -> None:
    crop = align.decode((photographs / "eileen_collins_face.jpg").read_bytes())
    face, detected = fast.landmarks(crop.pixels), fast.detect(crop)[0]
    assert face is not None
    assert np.abs(face.landmarks - detected.landmarks).max() < 0.06 * crop.width


def test_no_landmarks_where_there_is_no_face(fast: align.Detector) -> None:
    assert fast.landmarks(np.full((160, 160, 3), 90, np.uint8)) is None


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(250, 250, 1), (1920, 1080, 1), (3000, 3000, 2), (8000, 5400, 4)],
)
def test_reduction_keeps_enough_pixels_of_the_smallest_face(
    width: int, height: int, expected: int, fast: align.Detector
) -> None:
    reduction = fast.reduction_for(Header("jpeg", width, height))
    assert reduction == expected
    assert reduction == 1 or 0.06 * min(width, height) / reduction >= 80


def test_no_reduction_where_it_is_not_free(fast: align.Detector, exact: align.Detector) -> None:
    assert fast.reduction_for(Header("png", 8000, 8000)) == 1
    assert exact.reduction_for(Header("jpeg", 8000, 8000)) == 1
    assert align.Detector.load(min_face=40).reduction_for(Header("jpeg", 8000, 8000)) == 1


def test_strips_do_not_change_what_the_network_says(
    collins: align.Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ShapedNetwork("pnet", 1, warm=1)
    for height in (301, 300, 211, 210):
        level = collins.pixels[:height, :200]
        monkeypatch.setattr("align.views.STRIP_PIXELS", 1 << 18)
        *cells, whole = likely_cells(network, level, 1e-30, no_check)
        monkeypatch.setattr("align.views.STRIP_PIXELS", 200 * 50)
        *cells_in_strips, in_strips = likely_cells(network, level, 1e-30, no_check)
        np.testing.assert_array_equal(cells_in_strips, cells)
        assert len(whole) > 100
        assert np.abs(in_strips - whole).max() < 1e-3


@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_a_check_that_raises_ends_the_detection(
    profile: str, collins: align.Picture, request: pytest.FixtureRequest
) -> None:
    class LateError(Exception):
        pass

    def check() -> None:
        raise LateError

    detector = request.getfixturevalue(profile)
    with pytest.raises(LateError):
        detector.detect(collins, check)
    assert detector.detect(collins)


def test_crops_of_the_exact_view_are_black_beyond_the_picture() -> None:
    view = ExactView(np.full((50, 60, 3), 200, np.uint8), no_check)
    inside, across, outside = view.cut(
        np.array([[1.0, 1, 24, 24], [49, 39, 72, 62], [100, 100, 123, 123]]), 24
    )
    assert (inside == 200).all()
    assert (across[:12, :12] == 200).all()
    assert (across[12:] == 0).all()
    assert (across[:, 12:] == 0).all()
    assert (outside == 0).all()


def test_noise_from_a_stranger_stays_bounded(fast: align.Detector) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3), np.uint8)
    assert len(fast.detect(align.Picture(noise, 700, 700))) <= 200


def test_the_fast_views_canvas_may_be_run_in_strips(
    collins: align.Picture, monkeypatch: pytest.MonkeyPatch, fast: align.Detector
) -> None:
    whole = fast.detect(collins)
    monkeypatch.setattr("align.views.STRIP_PIXELS", 1 << 12)
    (in_strips,) = fast.detect(collins)
    assert overlap(in_strips, whole[0]) > 0.999


def test_a_box_that_is_turned_inside_out_is_a_crop_all_the_same() -> None:
    view = ExactView(np.full((50, 60, 3), 200, np.uint8), no_check)
    crops = view.cut(np.array([[20.0, 20, 19, 19], [30, 30, 10, 10]]), 24)
    assert crops.shape == (2, 24, 24, 3)


def test_very_large_crops_of_the_exact_view_come_from_an_averaged_picture(
    collins: align.Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = np.array([[1.0, 1, 512, 512], [-40, 101, 259, 400], [301, 301, 700, 700]])
    exactly = ExactView(collins.pixels, no_check).cut(boxes, 48)
    monkeypatch.setattr("align.views.LARGEST_CROP", 260)
    averaged = ExactView(collins.pixels, no_check).cut(boxes, 48)
    assert np.abs(averaged - exactly).mean() < 2.5
    assert (averaged[1][:, :6] == 0).all()  # beyond the picture


@pytest.mark.parametrize("profile", ["fast", "exact"])
@pytest.mark.parametrize("min_face", [None, 2000])
def test_a_sound_detector_finds_the_known_face(profile: Any, min_face: float | None) -> None:
    """Whatever smallest face is asked for, the start looks for this one."""
    align.Detector.load(profile, min_face=min_face).warm_up()


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda output: np.zeros_like(output),
        lambda output: np.full_like(output, np.nan),
        lambda output: output[::-1] * 3,
        lambda output: np.roll(output, 5, axis=-1),
    ],
    ids=["zeros", "nan", "scaled", "shifted"],
)
@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_broken_kernels_are_noticed_at_the_start(
    profile: Any, spoilt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = networks.Network.__call__
    monkeypatch.setattr(
        networks.Network, "__call__", lambda self, pixels: spoilt(sound(self, pixels))
    )
    with pytest.raises(align.WeightsDamaged, match="known face"):
        align.Detector.load(profile).warm_up()


def test_a_missing_known_face_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(known_face, "FILE", tmp_path / "known_face.jpg")
    with pytest.raises(align.WeightsDamaged, match="cannot be read"):
        align.Detector.load().warm_up()
