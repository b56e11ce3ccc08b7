"""What bench.recall does to pictures, and how it counts."""

import math
from dataclasses import replace

import numpy as np
import pytest

import align
from bench.recall import agreement, costs, tally
from bench.recall.conditions import CONDITIONS, Sample
from bench.recall.detectors import Found, load
from bench.recall.faceless import COUNT, faceless
from bench.speed.pictures import PORTRAITS


@pytest.fixture
def sample() -> Sample:
    """A white face, 60 pixels wide, on black."""
    pixels = np.zeros((200, 240, 3), np.uint8)
    pixels[50:130, 80:140] = 255
    points = np.array([(95, 80), (125, 80), (110, 95), (98, 115), (122, 115)], np.float32)
    return Sample(pixels, align.Face((81, 51, 140, 130), points, 1.0))


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_face_is_where_the_condition_says(name: str, sample: Sample) -> None:
    changed = CONDITIONS[name](sample)
    rows, columns = np.nonzero(changed.pixels[..., 0] > changed.pixels.max() / 2)
    box = np.array(changed.face.box)
    seen = np.array([columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1])
    inside = np.array([1, 1, *changed.size])
    clipped = np.concatenate([np.maximum(box[:2], inside[:2]), np.minimum(box[2:], inside[2:])])
    assert np.abs(seen - clipped).max() <= 2


def test_a_face_counts_once_and_the_wrong_way_up_apart(sample: Sample) -> None:
    right = Found(sample.face.box, sample.face.landmarks)
    upside_down = Found(sample.face.box, sample.face.landmarks[[4, 3, 2, 1, 0]])
    elsewhere = Found((1, 1, 30, 30))
    answers = iter([[right, elsewhere], [upside_down], [elsewhere], [], [Found(right.box)]])
    counted = tally.count(lambda _: next(answers), [sample] * 5)
    assert (counted.found, counted.wrong_way_up) == (2, 1)
    assert (counted.missed, counted.false) == (2, 1)


@pytest.mark.parametrize(("degrees", "right"), [(-44, 1), (44, 1), (46, 0), (-46, 0), (314, 0)])
def test_a_face_is_the_wrong_way_up_from_45_degrees_on(
    sample: Sample, degrees: float, right: int
) -> None:
    tilted = replace(sample, face=tilt(sample.face, 170))
    found = tilt(sample.face, 170 + degrees)
    counted = tally.count(lambda _: [Found(tilted.face.box, found.landmarks)], [tilted])
    assert (counted.found, counted.wrong_way_up) == (right, 1 - right)


def tilt(face: align.Face, degrees: float) -> align.Face:
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return replace(face, landmarks=np.asarray(face.landmarks @ matrix, np.float32))


def test_profiles_that_share_no_face_are_compared_too() -> None:
    rows = agreement.compare([np.full((100, 100, 3), 90, np.uint8)]).rows()
    assert "| without a face | 1 |" in rows


def test_pictures_without_faces_are_the_same_every_time() -> None:
    first, second = list(faceless()), list(faceless())
    assert len(first) == COUNT
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_pictures_are_scaled_to_a_side() -> None:
    pages = [np.full((side, side, 3), 90, np.uint8) for side in (160, 400)]
    assert [each.shape for each in costs.scaled(pages, 250)] == [(250, 250, 3)] * 2


def test_costs_are_quantiles_over_the_pictures_without_a_face() -> None:
    pages = [np.full((side, side, 3), 90, np.uint8) for side in (40, 250)]
    middle, most_of_them, most = costs.looks_in_first_ones(align.Detector.load("fast"), pages)
    assert 0 < middle <= most_of_them <= most


def test_costs_in_ordinary_looks_are_quantiles_too() -> None:
    portrait = align.decode((PORTRAITS / "eileen_collins.jpg").read_bytes()).pixels
    pages = [np.full((side, side, 3), 90, np.uint8) for side in (60, 250)]
    fast = align.Detector.load("fast")
    middle, most_of_them, most = costs.looks_in_ordinary_ones(fast, pages, [portrait])
    assert 0 < middle <= most_of_them <= most


def test_both_profiles_agree_on_a_portrait() -> None:
    portrait = align.decode((PORTRAITS / "eileen_collins.jpg").read_bytes())
    rows = agreement.compare([portrait.pixels]).rows()
    assert "| without a face | 0 |" in rows
    assert "| another central face | 0 |" in rows
    assert "| faces found, of those of `exact` | 1 of 1 |" in rows


def test_a_peer_that_is_missing_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    assert "requirements/peers.txt" in load("dlib HOG")
