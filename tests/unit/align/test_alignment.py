"""Chips: the original's box arithmetic, and similarity onto the template."""

import cv2
import numpy as np
import pytest

import align
from align.alignment import TEMPLATE, similarity_transform


def face_at(box: tuple[float, float, float, float], points: np.ndarray = TEMPLATE) -> align.Face:
    return align.Face(box, points.astype(np.float32), 1.0)


def ramp(width: int, height: int) -> np.ndarray:
    """Red is the column, green the row: a pixel tells where it came from."""
    down, across = np.mgrid[0:height, 0:width]
    return np.stack([across, down, np.zeros_like(down)], axis=-1).astype(np.uint8)


def original_box_chip(pixels: np.ndarray, box: tuple, margin: int, size: int) -> np.ndarray:
    """The crop of align_dataset_mtcnn.py, written out as there."""
    bounds = np.zeros(4, dtype=np.int32)
    bounds[0] = np.maximum(box[0] - margin / 2, 0)
    bounds[1] = np.maximum(box[1] - margin / 2, 0)
    bounds[2] = np.minimum(box[2] + margin / 2, pixels.shape[1])
    bounds[3] = np.minimum(box[3] + margin / 2, pixels.shape[0])
    crop = pixels[bounds[1] : bounds[3], bounds[0] : bounds[2]]
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    "box",
    [(60.7, 50.2, 190.9, 201.4), (-8.3, -2.9, 181.1, 195.0), (90.5, 40.5, 260.2, 255.9)],
)
def test_box_alignment_is_the_originals(box: tuple[float, float, float, float]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8)
    picture = align.Picture(pixels, 250, 250)
    chip = align.align(picture, face_at(box), align.BoxAlignment(size=160, margin=32))
    # 160 is below all of these crops' sides, so both average.
    assert np.array_equal(chip, original_box_chip(pixels, box, 32, 160))


def test_box_alignment_reads_a_reduced_picture_in_full_coordinates() -> None:
    face = face_at((40, 60, 140, 180))
    full = align.Picture(ramp(250, 240), 250, 240)
    half = align.Picture(
        cv2.resize(ramp(250, 240), (125, 120), interpolation=cv2.INTER_AREA), 250, 240, 2
    )
    alignment = align.BoxAlignment(size=32, margin=10)
    difference = align.align(full, face, alignment).astype(int) - align.align(half, face, alignment)
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("box", [(-50.0, -50.0, -20.0, -20.0), (300.0, 300.0, 320.0, 320.0)])
def test_a_box_outside_the_picture_still_gives_a_chip(box: tuple) -> None:
    picture = align.Picture(ramp(100, 100), 100, 100)
    chip = align.align(picture, face_at(box), align.BoxAlignment(size=20, margin=0))
    assert chip.shape == (20, 20, 3)


def test_similarity_of_landmarks_on_the_template_changes_nothing() -> None:
    picture = align.Picture(ramp(112, 112), 112, 112)
    chip = align.align(picture, face_at((0, 0, 112, 112)), align.SimilarityAlignment(112))
    assert np.abs(chip.astype(int) - picture.pixels).max() <= 1


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.9, 4.7, 12.0])
@pytest.mark.parametrize("degrees", [0, 17, -40, 90, 180])
def test_similarity_brings_landmarks_onto_the_template(scale: float, degrees: float) -> None:
    turn = np.deg2rad(degrees)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = TEMPLATE @ rotation.T
    points += 40 * scale - points.min(axis=0)
    width, height = (points.max(axis=0) + 40 * scale).astype(int)
    pixels = np.zeros((height, width, 3), np.uint8)
    for x, y in points:
        cv2.circle(
            pixels, (round(float(x)), round(float(y))), max(int(3 * scale), 1), (255,) * 3, -1
        )
    picture = align.Picture(pixels, width, height)
    chip = align.align(picture, face_at((0, 0, 1, 1), points), align.SimilarityAlignment(112))
    for x, y in TEMPLATE:
        around = chip[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9, 0].astype(float)
        rows, columns = np.mgrid[0:17, 0:17]
        centre = np.array([(around * columns).sum(), (around * rows).sum()]) / around.sum()
        off = centre - np.array([x - int(x) + 8, y - int(y) + 8])
        # A dot is drawn on whole pixels, up to half of one off.
        assert np.abs(off).max() < 0.3 + 0.6 / scale


def test_similarity_scales_the_template_with_the_chip() -> None:
    picture = align.Picture(ramp(112, 112), 112, 112)
    small = align.align(picture, face_at((0, 0, 1, 1)), align.SimilarityAlignment(56))
    expected = cv2.resize(picture.pixels, (56, 56), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected)[1:-1, 1:-1].max() <= 1


def test_similarity_onto_a_template_of_its_own() -> None:
    own = tuple((float(x) * 0.9 + 3, float(y) * 0.9 + 2) for x, y in TEMPLATE)
    picture = align.Picture(ramp(112, 112), 112, 112)
    chip = align.align(picture, face_at((0, 0, 1, 1)), align.SimilarityAlignment(112, own))
    matrix = np.array([[0.9, 0, 3], [0, 0.9, 2]])
    expected = cv2.warpAffine(picture.pixels, matrix, (112, 112))
    assert np.abs(chip.astype(int) - expected).max() <= 1


def test_similarity_reads_a_reduced_picture_in_full_coordinates() -> None:
    points = TEMPLATE * 2 + 10
    full = align.Picture(ramp(250, 250), 250, 250)
    half = align.Picture(
        cv2.resize(ramp(250, 250), (125, 125), interpolation=cv2.INTER_AREA), 250, 250, 2
    )
    face = face_at((0, 0, 1, 1), points)
    chips = [align.align(picture, face, align.SimilarityAlignment(112)) for picture in (full, half)]
    assert np.abs(chips[0].astype(int) - chips[1])[2:-2, 2:-2].max() <= 2


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3, 7.7])  # of the face in that of the template
@pytest.mark.parametrize("alignment", [align.SimilarityAlignment(112), align.BoxAlignment(160, 32)])
def test_a_turned_picture_gives_the_same_chip(
    alignment: align.SimilarityAlignment | align.BoxAlignment, scale: float, turns: int
) -> None:
    """To the last bit; faces that reach beyond the picture, too."""
    pixels = np.random.default_rng(5).integers(0, 256, (333, 410, 3), np.uint8)
    points = ((TEMPLATE * scale + (61, 37)) * 256).round() / 256
    face = face_at((50.25, 20.5, 60 + 112 * scale, 40 + 112 * scale), points)
    upright = align.align(align.Picture.of(pixels), face, alignment)
    turned = align.Picture.of(np.ascontiguousarray(np.rot90(pixels, turns)))
    chip = align.align(turned, face.turned(turns, 410, 333), alignment)
    assert np.array_equal(chip, upright)


def test_a_turned_reduced_picture_gives_the_same_chip() -> None:
    """Its sides in full size are no multiples of the reduction."""
    pixels = np.random.default_rng(6).integers(0, 256, (167, 205, 3), np.uint8)
    face = face_at((0, 0, 9, 9), TEMPLATE * 2 + 40)
    upright = align.align(align.Picture(pixels, 409, 333, 2), face, align.SimilarityAlignment(112))
    # Turned by 180 degrees, the cut-off pixels of the last row and column come first.
    turned = align.Picture(np.ascontiguousarray(np.rot90(pixels, 2)), 409, 333, 2)
    chip = align.align(turned, face.turned(2, 410, 334), align.SimilarityAlignment(112))
    assert np.abs(chip.astype(int) - upright).max() <= 1


def test_black_beyond_the_picture() -> None:
    picture = align.Picture(np.full((112, 112, 3), 200, np.uint8), 112, 112)
    shifted = face_at((0, 0, 1, 1), TEMPLATE - (60, 0))
    chip = align.align(picture, shifted, align.SimilarityAlignment(112))
    assert (chip[:, :50] == 0).all()
    assert (chip[:, 65:] == 200).all()


def test_the_transform_is_the_least_squares_one() -> None:
    random = np.random.default_rng(3)
    source, target = random.normal(size=(5, 2)), random.normal(size=(5, 2))
    best = similarity_transform(source, target)

    def error(matrix: np.ndarray) -> float:
        return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())

    for step in random.normal(scale=1e-3, size=(200, 4)):
        change = np.array([[step[0], -step[1], step[2]], [step[1], step[0], step[3]]])
        near = best + change
        assert error(near) >= error(best)


def test_landmarks_in_one_point_give_a_chip_and_no_crash() -> None:
    picture = align.Picture(ramp(100, 100), 100, 100)
    point = face_at((0, 0, 1, 1), np.full((5, 2), 50.0))
    assert align.align(picture, point, align.SimilarityAlignment(112)).shape == (112, 112, 3)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (160, 160), (900, 400)])
def test_fit_makes_a_square_of_any_crop(shape: tuple[int, int]) -> None:
    crop = np.full((*shape, 3), 77, np.uint8)
    assert (align.fit(crop, 160) == 77).all()
    assert align.fit(crop, 160).shape == (160, 160, 3)


def test_fit_leaves_a_chip_of_the_right_size_as_it_is() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    assert np.array_equal(align.fit(crop, 160), crop)
