"""Quality moves the right way when a picture is made worse, or a head turned."""

import cv2
import numpy as np
import pytest

import align
from align.quality import MODEL, estimate_pose


@pytest.fixture(scope="module")
def face(collins: align.Picture, fast: align.Detector) -> align.Face:
    return fast.detect(collins)[0]


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The model's landmarks of a head that first nods, then turns, then tilts."""
    yaw, pitch, roll = np.deg2rad([yaw, pitch, roll])
    nod = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    turn = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    points = MODEL @ (np.array(tilt) @ np.array(turn) @ np.array(nod)).T
    return (points[:, :2] * 1.7 + 200).astype(np.float32)


def test_blur_lowers_sharpness_step_by_step(collins: align.Picture, face: align.Face) -> None:
    blurred = [
        align.Picture(cv2.GaussianBlur(collins.pixels, (0, 0), sigma), 512, 512)
        for sigma in (0.1, 1, 2, 4, 8)
    ]
    values = [align.measure_quality(picture, face).sharpness for picture in blurred]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5
    assert values[-1] < 0.1


def test_sharpness_hardly_depends_on_exposure(collins: align.Picture, face: align.Face) -> None:
    dark = align.Picture((collins.pixels * 0.5).astype(np.uint8), 512, 512)
    bright, dim = (align.measure_quality(picture, face) for picture in (collins, dark))
    assert dim.sharpness == pytest.approx(bright.sharpness, abs=0.05)
    assert dim.brightness == pytest.approx(bright.brightness / 2, abs=0.02)


def test_flat_pictures_are_not_sharp(face: align.Face) -> None:
    white = align.Picture(np.full((512, 512, 3), 255, np.uint8), 512, 512)
    quality = align.measure_quality(white, face)
    assert (quality.sharpness, quality.brightness) == (0.0, 1.0)


def test_size_is_the_shorter_side_of_the_box_in_full_pixels(face: align.Face) -> None:
    half = align.Picture(np.zeros((256, 256, 3), np.uint8), 512, 512, 2)
    assert align.measure_quality(half, face).size == int(min(face.width, face.height))


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (-20, 0, 0), (0, 25, 0), (0, 0, -40)])
def test_pose_of_a_turned_model_is_recovered(angles: tuple[float, float, float]) -> None:
    assert estimate_pose(turned(*angles)) == pytest.approx(angles, abs=8)


def test_pose_signs_are_those_of_the_picture() -> None:
    straight = turned(0, 0, 0)
    right, up, clockwise = straight.copy(), straight.copy(), straight.copy()
    right[2, 0] += 8  # the nose towards the right side of the picture
    up[2, 1] -= 8
    clockwise[[1, 4], 1] += 8  # the right side down
    assert estimate_pose(right)[0] > 10
    assert estimate_pose(up)[1] > 10
    assert estimate_pose(clockwise)[2] > 3


def test_a_mirrored_face_has_the_mirrored_pose(face: align.Face) -> None:
    mirrored = face.landmarks.copy()
    mirrored[:, 0] = 512 - mirrored[:, 0]
    mirrored = mirrored[[1, 0, 2, 4, 3]]
    yaw, pitch, roll = estimate_pose(face.landmarks)
    assert estimate_pose(mirrored) == pytest.approx((-yaw, pitch, -roll), abs=1)


def test_five_landmarks_in_one_point_do_not_crash() -> None:
    assert np.isfinite(estimate_pose(np.full((5, 2), 50, np.float32))).all()
