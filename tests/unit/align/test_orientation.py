"""Faces are found as they stand, and doubt shows in the score."""

import numpy as np
import pytest

import align
from align.orientation import best_of, correct_orientations, is_face_like, logit, same_face
from align.turning import turn_pixels


def turned_picture(picture: align.Picture, turns: int) -> align.Picture:
    return align.Picture.of(turn_pixels(picture.pixels, turns))


def face_of(landmarks: list[tuple[float, float]], score: float = 0.9) -> align.Face:
    return align.Face((0, 0, 100, 100), np.array(landmarks, np.float32), score)


STRAIGHT = [(30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0)]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_a_face_follows_the_pixels(turns: int) -> None:
    pixels = np.zeros((100, 140, 3), np.uint8)
    pixels[20:30, 40:60] = 255
    face = align.Face((41, 21, 60, 30), np.array(STRAIGHT, np.float32), 0.9)
    moved = face.turned(turns, 140, 100)
    rows, columns = np.nonzero(turn_pixels(pixels, turns)[..., 0])
    assert moved.box == (columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1)
    assert moved.turns == (face.turns - turns) % 4
    back = moved.turned(-turns, *((100, 140) if turns % 2 else (140, 100)))
    assert back.box == face.box
    np.testing.assert_allclose(back.landmarks, face.landmarks)


@pytest.mark.parametrize("profile", ["fast", "exact"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_is_found_the_right_way_up(
    profile: str, turns: int, collins: align.Picture, request: pytest.FixtureRequest
) -> None:
    detector = request.getfixturevalue(profile)
    (upright,) = detector.detect(collins)
    (face,) = detector.detect(turned_picture(collins, turns))
    back = face.turned(-turns, 512, 512)
    assert face.turns == -turns % 4
    assert np.abs(back.landmarks - upright.landmarks).max() < 0.06 * upright.width
    assert same_face(back, upright)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_roll_says_how_a_face_stands(
    turns: int, collins: align.Picture, fast: align.Detector
) -> None:
    picture = turned_picture(collins, turns)
    roll = align.measure_quality(picture, fast.detect(picture)[0]).roll
    expected = {1: -90, 2: 180, 3: 90}[turns]
    assert abs((roll - expected + 180) % 360 - 180) < 15


@pytest.mark.parametrize(
    "alignment", [align.BoxAlignment(160, 32), align.SimilarityAlignment(112)], ids=["box", "five"]
)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_chip_of_a_turned_face_is_upright(
    turns: int,
    alignment: align.BoxAlignment | align.SimilarityAlignment,
    collins: align.Picture,
    fast: align.Detector,
) -> None:
    wanted = align.align(collins, fast.detect(collins)[0], alignment).astype(int)
    picture = turned_picture(collins, turns)
    chip = align.align(picture, fast.detect(picture)[0], alignment).astype(int)
    assert np.abs(chip - wanted).mean() < 28
    assert np.abs(np.rot90(chip, turns) - wanted).mean() > 40


def test_a_sure_face_is_not_asked_about() -> None:
    def never(*_: object) -> None:
        raise AssertionError

    face = face_of(STRAIGHT, 0.9995)
    assert correct_orientations([face], never, never) == [face]


def test_two_orientations_that_score_alike_lower_the_score() -> None:
    face, rival = face_of(STRAIGHT, 0.9), face_of(STRAIGHT, 0.92).turned(2, 101, 101)
    doubtful = best_of([face, rival])
    assert doubtful.turns == 0
    assert doubtful.score < 0.7
    certain = best_of([face, face_of(STRAIGHT, 0.1).turned(2, 101, 101)])
    assert certain.score == pytest.approx(0.9, abs=0.02)


def test_a_face_that_scores_better_otherwise_is_taken_so() -> None:
    logits = np.array([[-9, -9, 5, -9]], np.float32)
    better = face_of(STRAIGHT, 0.9995).turned(2, 101, 101)
    (face,) = correct_orientations([face_of(STRAIGHT, 0.9)], lambda _: logits, lambda *_: [better])
    assert face.turns == 2
    assert face.score > 0.95


@pytest.mark.parametrize(
    "change",
    [
        {0: (70, 40), 1: (30, 40)},  # eyes swapped
        {3: (65, 80), 4: (35, 80)},  # mouth corners swapped
        {2: (50, 95)},  # the nose below the mouth
        {2: (50, 20)},  # the nose above the eyes
        {0: (50, 40), 1: (51, 40), 3: (50, 80), 4: (51, 80)},  # no width
        {3: (35, 45), 4: (65, 45), 2: (50, 42)},  # no height
    ],
)
def test_landmarks_that_cannot_be_a_face_drop_it(change: dict) -> None:
    points = [change.get(index, point) for index, point in enumerate(STRAIGHT)]
    assert is_face_like(face_of(STRAIGHT))
    assert not is_face_like(face_of(points))
    assert correct_orientations([face_of(points, 1.0)], None, None) == []


def test_five_landmarks_in_one_point_are_no_face() -> None:
    assert not is_face_like(face_of([(5, 5)] * 5))


@pytest.mark.parametrize("turns", range(4))
def test_a_face_is_one_whichever_way_it_stands(turns: int) -> None:
    assert is_face_like(face_of(STRAIGHT).turned(turns, 101, 101))


def test_scores_of_zero_and_one_have_finite_logits() -> None:
    assert -20 < logit(0.0) < -10
    assert 10 < logit(1.0) < 20
