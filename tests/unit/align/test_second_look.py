"""A picture is looked at again where the first look found nothing sure, and only there."""

import contextlib
import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

import align
from align import views
from align.cascade import Cascade
from align.detector import PROFILES
from align.light import levelling_curve
from align.mipmaps import Mipmaps
from align.scene import Scene
from align.second_look import STEPS, TRUSTED, TRUSTED_AGAIN, _see_upright, look_again
from align.turning import turn_pixels
from align.types import no_check, not_timed

NAMES = ["detect_orientation", *(name for name, _ in STEPS)]
TARGET = align.alignment_for(112, None)


class Steps(list):
    """The names of the steps that a detection took."""

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.append(name)
        yield


def cropped(picture: align.Picture, face: align.Face, inside: float) -> align.Picture:
    left, top, right, bottom = (int(value) for value in face.box)
    across, down = int(face.width * inside), int(face.height * inside)
    part = picture.pixels[top + down : bottom - down, left + across : right - across]
    return align.Picture.of(np.ascontiguousarray(part))


def flat() -> align.Picture:
    return align.Picture.of(np.full((250, 250, 3), 90, np.uint8))


def scene_of(pixels: np.ndarray) -> Scene:
    """A picture as `fast` looks at it."""
    profile = PROFILES["fast"]
    smallest = profile.min_face * min(pixels.shape[:2])
    return Scene(Mipmaps(pixels), Cascade(threads=1), profile, smallest, no_check)


def test_a_sure_face_needs_no_second_look(collins: align.Picture, fast: align.Detector) -> None:
    steps = Steps()
    faces = fast.detect(collins, timed=steps)
    assert steps == ["detect_orientation"]
    assert faces == fast.detect(collins, retry=False)


@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_every_step_is_taken_in_order_where_there_is_no_face(
    profile: str, request: pytest.FixtureRequest
) -> None:
    steps = Steps()
    assert request.getfixturevalue(profile).detect(flat(), timed=steps) == []
    assert steps == NAMES


def test_no_step_is_taken_without_retry(fast: align.Detector) -> None:
    steps = Steps()
    assert fast.detect(flat(), retry=False, timed=steps) == []
    assert steps == []


def test_no_step_begins_when_time_is_short(fast: align.Detector) -> None:
    steps, answers = Steps(), iter([True, False])
    assert fast.detect(flat(), timed=steps, has_time=lambda: next(answers)) == []
    assert steps == NAMES[:2]


def test_a_face_that_fills_the_picture_is_found_on_a_border(
    collins: align.Picture, fast: align.Detector
) -> None:
    (face,) = fast.detect(collins)
    crop = cropped(collins, face, 0.15)
    steps = Steps()
    assert fast.detect(crop, retry=False) == []
    (found,) = fast.detect(crop, timed=steps)
    assert steps[-1] == "detect_border"
    inside = found.moved(int(face.box[0]) + int(face.width * 0.15), 0)
    assert abs(inside.landmarks[:, 0] - face.landmarks[:, 0]).max() < 0.1 * face.width


@pytest.mark.parametrize("side", [40, 60, 90])
@pytest.mark.parametrize("name", ["eileen_collins", "grace_hopper"])
def test_a_face_that_fills_a_small_picture_is_found(
    name: str, side: int, photographs, fast: align.Detector
) -> None:
    """No look seeks only faces that are larger than the picture."""
    picture = align.decode((photographs / f"{name}.jpg").read_bytes())
    crop = cropped(picture, fast.detect(picture)[0], 0.1).pixels
    scale = side / min(crop.shape[:2])
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert len(fast.detect(align.Picture.of(small))) == 1


@pytest.mark.parametrize("factor", [0.15, 0.1, 0.07])
@pytest.mark.parametrize("name", ["eileen_collins", "grace_hopper"])
def test_dark_faces_are_found(name: str, factor: float, photographs, fast: align.Detector) -> None:
    picture = align.decode((photographs / f"{name}.jpg").read_bytes())
    (face,) = fast.detect(picture)
    dark = align.Picture.of((picture.pixels * factor).astype(np.uint8))
    (found,) = fast.detect(dark)
    assert np.abs(found.landmarks - face.landmarks).max() < 0.08 * face.width


@pytest.mark.parametrize(("factor", "added"), [(0.1, 0), (0.25, 180)])
def test_levelled_light_is_of_medium_brightness(
    factor: float, added: int, collins: align.Picture
) -> None:
    pixels = (collins.pixels * factor + added).astype(np.uint8)
    curve = levelling_curve(pixels)
    assert curve is not None
    levelled = Mipmaps(pixels).mapped(curve).level(0)
    assert 75 < levelled.mean() < 165
    assert np.ptp(levelled) > 200
    assert levelled.shape == pixels.shape


def test_fair_light_is_left_alone(collins: align.Picture) -> None:
    assert levelling_curve(collins.pixels) is None


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_value_can_be_levelled(value: int) -> None:
    curve = levelling_curve(np.full((9, 7, 3), value, np.uint8))
    assert curve is None or curve.dtype == np.uint8


def test_min_face_holds_for_second_looks_too(collins: align.Picture) -> None:
    large = align.Detector.load(min_face=400)
    assert large.detect(collins) == []


def test_a_large_dark_picture_turned_is_found_in_its_own_pixels(
    collins: align.Picture, fast: align.Detector
) -> None:
    large = cv2.resize(collins.pixels, (1500, 1500), interpolation=cv2.INTER_CUBIC)
    upright = fast.detect(align.Picture.of(large))[0]
    turned = np.ascontiguousarray(np.rot90((large * 0.2).astype(np.uint8)))
    (found,) = fast.detect(align.Picture.of(turned))
    back = found.turned(3, 1500, 1500)
    assert np.abs(back.landmarks - upright.landmarks).max() < 0.08 * upright.width


def test_a_reduced_picture_turned_keeps_full_size_coordinates(
    collins: align.Picture, fast: align.Detector
) -> None:
    turned = np.ascontiguousarray(np.rot90(collins.pixels))
    (full,) = fast.detect(align.Picture.of(turned))
    (double,) = fast.detect(align.Picture(turned, 1024, 1024, 2))
    assert np.abs(double.landmarks - (full.landmarks * 2 + 0.5)).max() < 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (13, 13), (30, 700)])
@pytest.mark.parametrize("profile", ["fast", "exact"])
def test_odd_sizes_survive_every_step(
    profile: str, shape: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    steps = Steps()
    picture = align.Picture.of(np.full((*shape, 3), 7, np.uint8))
    assert request.getfixturevalue(profile).detect(picture, timed=steps) == []
    assert steps == NAMES


def test_pictures_without_a_face_stay_cheap(
    fast: align.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-Net's pixels, most of the cost: all looks together against the first one."""
    seen: list[int] = []
    original = views.likely_cells

    def counted(network, level, *rest):
        seen.append(level.shape[0] * level.shape[1])
        return original(network, level, *rest)

    monkeypatch.setattr("align.views.likely_cells", counted)
    noise = np.random.default_rng(3).integers(0, 256, (250, 330, 3), np.uint8)
    assert fast.detect(align.Picture.of(noise)) == []
    assert len(seen) == len(STEPS)  # fainter candidates of a well lit picture are known already
    assert sum(seen) < 2.5 * seen[0]


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("light", [1.0, 0.3])
@pytest.mark.parametrize("side", [512, 2048])
def test_a_turned_picture_gives_the_same_chip(
    side: int, light: float, turns: int, collins: align.Picture, fast: align.Detector
) -> None:
    enlarged = cv2.resize(collins.pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    picture = align.Picture.of((enlarged * light).astype(np.uint8))
    upright = align.align(picture, fast.detect(picture)[0], TARGET)
    turned = align.Picture.of(turn_pixels(picture.pixels, turns))
    steps = Steps()
    (face,) = fast.detect(turned, timed=steps)
    assert steps[-1] == "detect_upright"
    assert np.array_equal(align.align(turned, face, TARGET), upright)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_that_needs_a_border_is_seen_as_upright_ones_are(
    turns: int, collins: align.Picture, fast: align.Detector
) -> None:
    (face,) = fast.detect(collins)
    crop = cropped(collins, face, 0.15).pixels
    pixels = np.ascontiguousarray(crop[: crop.shape[0] // 8 * 8, : crop.shape[1] // 8 * 8])
    (upright,) = fast.detect(align.Picture.of(pixels))
    turned = align.Picture.of(turn_pixels(pixels, turns))
    (found,) = fast.detect(turned)
    back = found.turned(4 - turns, turned.width, turned.height)
    assert np.array_equal(back.landmarks, upright.landmarks)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_shows_the_faces_that_no_further_look_found(
    turns: int, photographs, fast: align.Detector
) -> None:
    """Turned looks seek large faces only, but one such face shows which way up the picture is."""
    pixels = np.full((500, 760, 3), 128, np.uint8)
    for name, left, side in (("grace_hopper_second", 0, 500), ("eileen_collins", 504, 150)):
        portrait = align.decode((photographs / f"{name}.jpg").read_bytes()).pixels
        pixels[:side, left : left + side] = cv2.resize(portrait, (side, side))
    upright = fast.detect(align.Picture.of(pixels))
    assert len(upright) == 2
    turned = align.Picture.of(turn_pixels(pixels, turns))
    found = [face.turned(4 - turns, turned.width, turned.height) for face in fast.detect(turned)]
    both = [sorted(faces, key=lambda face: face.box[0]) for faces in (found, upright)]
    for one, other in zip(*both, strict=True):
        assert np.array_equal(one.landmarks, other.landmarks)


def test_what_further_looks_found_needs_more_trust(
    collins: align.Picture, fast: align.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In turned pictures they may show at first what is no face, at scores that a face reaches."""
    (face,) = fast.detect(collins)
    unsure = dataclasses.replace(face, score=(TRUSTED + TRUSTED_AGAIN) / 2)
    monkeypatch.setattr("align.second_look._search", lambda *_: [unsure])
    steps = Steps()
    assert len(fast.detect(flat(), timed=steps)) == 1
    assert steps == NAMES


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_of_odd_size_gives_nearly_the_same_landmarks(
    turns: int, photographs, fast: align.Detector
) -> None:
    """Halving a side of 205 pixels rounds otherwise from the other end."""
    picture = align.decode((photographs / "grace_hopper.jpg").read_bytes())
    upright = fast.detect(picture)[0]
    turned = align.Picture.of(turn_pixels(picture.pixels, turns))
    (face,) = fast.detect(turned)
    back = face.turned(4 - turns, turned.width, turned.height)
    assert np.abs(back.landmarks - upright.landmarks).max() < 0.02


def test_orientations_are_seen_upright_only_while_there_is_time(
    collins: align.Picture, fast: align.Detector
) -> None:
    """Two faces, turned differently, and time for one of them."""
    picture = align.Picture.of(np.hstack([turn_pixels(collins.pixels, each) for each in (1, 2)]))
    # Asked before each of three steps and before each orientation.
    answers = iter([True] * 4 + [False])
    both, hurried = (
        sorted(fast.detect(picture, has_time=has_time), key=lambda face: face.box[0])
        for has_time in (lambda: True, lambda: next(answers))
    )
    assert [face.turns for face in hurried] == [face.turns for face in both]
    assert sum(one == other for one, other in zip(hurried, both, strict=True)) == 1


def test_a_doubtful_face_gives_way_to_what_is_seen_upright(
    collins: align.Picture, fast: align.Detector
) -> None:
    """Of two people in a turned picture one was found to stand otherwise than both do."""
    both = np.hstack([collins.pixels, collins.pixels])
    left, right = sorted(fast.detect(align.Picture.of(both)), key=lambda face: face.box[0])
    pixels = turn_pixels(both, 2)
    size = both.shape[1], both.shape[0]
    box = left.turned(2, *size).box
    shift = np.array(box[:2], np.float32) - np.array(left.box[:2], np.float32)
    wrong = align.Face(box, left.landmarks + shift, 0.6)
    known = [right.turned(2, *size), wrong]
    found = sorted(
        _see_upright(scene_of(pixels), known, 2, lambda: True), key=lambda face: -face.box[0]
    )
    assert [face.score for face in found] == [left.score, right.score]
    for face, upright in zip(found, (left, right), strict=True):
        assert np.array_equal(face.turned(2, *size).landmarks, upright.landmarks)


def test_a_lying_face_is_seen_upright_beside_one_that_stands(
    collins: align.Picture, fast: align.Detector
) -> None:
    (standing,) = fast.detect(collins)
    lying = standing.turned(1, *collins.pixels.shape[:2]).moved(collins.width, 0)
    pixels = np.hstack([collins.pixels, turn_pixels(collins.pixels, 1)])
    doubtful = dataclasses.replace(lying, landmarks=lying.landmarks + 3, score=0.8)
    found = _see_upright(scene_of(pixels), [standing, doubtful], 3, lambda: True)
    assert found[0] == standing
    assert [face.turns for face in found] == [0, 3]
    assert np.abs(found[1].landmarks - lying.landmarks).max() < 2


def test_a_turned_face_is_not_seen_upright_when_time_is_short(
    collins: align.Picture, fast: align.Detector
) -> None:
    turned = align.Picture.of(turn_pixels(collins.pixels, 2))
    steps = Steps()
    (face,) = fast.detect(turned, timed=steps, has_time=lambda: False)
    assert face.turns == 2
    assert steps == ["detect_orientation"]


def test_each_face_of_a_picture_is_turned_by_itself(
    collins: align.Picture, fast: align.Detector
) -> None:
    """Three faces found as if upright, of which one stands on its head and one lies on its side."""
    (upright,) = fast.detect(collins)
    width = collins.width
    poses = [turn_pixels(collins.pixels, turns) for turns in (0, 2, 1)]
    found = []
    for index, turns in enumerate((0, 2, 1)):
        box = upright.turned(turns, width, width).moved(index * width, 0).box
        shift = np.array(box[:2]) - upright.box[:2]
        seen_upright = upright.landmarks + shift
        found.append(align.Face(box, seen_upright.astype(np.float32), 0.96))
    faces = look_again(scene_of(np.hstack(poses)), found, not_timed, lambda: True)
    assert [face.turns for face in sorted(faces, key=lambda face: face.box[0])] == [0, 2, 3]
