"""Worse pictures are worse where they should be, and the tables count what they say."""

from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest

import align
from align import SimilarityAlignment
from tools.evaluate import conditions, worse
from tools.evaluate.dataset import Pairs, open_pictures
from tools.evaluate.embedding import FaceChoice
from tools.evaluate.people import People

NAME = "eileen_collins.jpg"
CHOICE = FaceChoice("fast", "central", SimilarityAlignment(size=112))
EYE, NOSE, MOUTH = 0, 2, 3


@pytest.fixture(scope="module")
def face(root: Path, tmp_path_factory: pytest.TempPathFactory) -> align.Face:
    pictures, folder = open_pictures(root / "events" / "pictures"), tmp_path_factory.mktemp("kept")
    return conditions.find_faces(pictures, [NAME], CHOICE, folder)[0]


@pytest.fixture(scope="module")
def pixels(root: Path) -> np.ndarray:
    return align.decode((root / "events" / "pictures" / NAME).read_bytes()).pixels


@pytest.mark.parametrize("name", worse.CONDITIONS)
def test_every_condition_changes_the_picture_and_nothing_in_place(
    name: str, pixels: np.ndarray, face: align.Face
) -> None:
    before = pixels.copy()
    changed = worse.CONDITIONS[name](pixels, face)
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, pixels)
    assert np.array_equal(pixels, before)


def test_the_shrunk_face_has_the_width_asked_for(pixels: np.ndarray, face: align.Face) -> None:
    changed = worse.shrunk_to(24)(pixels, face)
    assert face.width * changed.shape[1] / pixels.shape[1] == pytest.approx(24, rel=0.02)


def test_a_face_that_is_small_already_stays(face: align.Face) -> None:
    small = np.zeros((20, 30, 3), np.uint8)
    assert worse.shrunk_to(1000)(small, face).shape == small.shape


@pytest.mark.parametrize(
    ("cover", "colour", "hidden", "seen"),
    [
        (worse.masked, worse.MASK_COLOUR, (NOSE, MOUTH), (EYE,)),
        (worse.in_sunglasses, worse.LENS_COLOUR, (EYE,), (NOSE, MOUTH)),
    ],
)
def test_a_cover_hides_what_it_is_drawn_over(
    cover: worse.Worsen,
    colour: tuple[int, int, int],
    hidden: tuple[int, ...],
    seen: tuple[int, ...],
    pixels: np.ndarray,
    face: align.Face,
) -> None:
    changed = cover(pixels, face)
    points = np.rint(face.landmarks).astype(int)
    for point in hidden:
        assert tuple(changed[points[point, 1], points[point, 0]]) == colour
    for point in seen:
        column, line = points[point]
        assert np.array_equal(changed[line, column], pixels[line, column])


def test_worsened_pictures_are_files_that_tell_conditions_apart(
    root: Path, face: align.Face
) -> None:
    pictures = open_pictures(root / "events" / "pictures")
    grey = conditions.worsen(pictures, {NAME: face}, "no colour")
    tilted = conditions.worsen(pictures, {NAME: face}, "tilted by 30 degrees")
    assert len({pictures.digest, grey.digest, tilted.digest}) == 3
    decoded = cv2.imdecode(np.frombuffer(grey.read(NAME), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[..., 0], decoded[..., 2])


@pytest.fixture
def pairs() -> Pairs:
    """Two folds of two same and two different pairs."""
    left, right = np.arange(8), np.arange(8)
    folds = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    return Pairs(tuple("abcdefgh"), left, right, folds, np.tile([True, True, False, False], 2))


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Options that name pairs of two folds, and a folder without pictures."""
    rows = ("1,a,b,1", "1,a,c,0", "2,a,b,1", "2,a,c,0")
    (tmp_path / "pairs.csv").write_text("\n".join(["fold,image_a,image_b,same", *rows]))
    return ["--pairs", str(tmp_path / "pairs.csv"), "--images", str(tmp_path)]


def test_an_unknown_model_is_reported_with_a_message(data: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"nope.*\nPick a bundled model"):
        conditions.main(["--model", "nope", *data])


def test_an_interruption_is_reported_with_a_message(
    data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(conditions, "find_faces", interrupt)
    with pytest.raises(SystemExit, match="to continue"):
        conditions.main(data)


def test_rates_leave_out_pairs_without_a_face(pairs: Pairs) -> None:
    distances = np.array([0.5, 1.3, 1.3, 0.9, 0.5, 0.5, 1.3, 1.3])
    found = np.array([True, True, True, False, True, True, True, True])
    cells = conditions.row("label", distances, pairs, found, 1.0).split("|")
    share, _, refused, mistaken = map(float, cells[2:-1])
    assert share == pytest.approx(1 / 8, abs=1e-3)
    assert refused == 0.25  # the pair at 1.3
    assert mistaken == 0.0  # the pair at 0.9 has no face


def test_pairs_count_by_the_face_that_is_turned_further(pairs: Pairs, face: align.Face) -> None:
    narrow = align.Face(face.box, turned(face.landmarks), face.score)
    faces = [narrow, *[face] * 7]
    distances = np.where(pairs.same, 1.3, 0.5)
    rows = conditions.turned_rows(distances, pairs, faces, 1.0)
    counts = [int(line.split("|")[2]) for line in rows]
    assert counts == [3, 0, 1]
    assert rows[1].split("|")[3].strip() == "-"


def turned(landmarks: np.ndarray) -> np.ndarray:
    """The nose far to one side, as in a head that is turned far."""
    moved = landmarks.copy()
    moved[NOSE, 0] += 0.6 * (landmarks[1, 0] - landmarks[0, 0])
    return moved


def test_strangers_are_counted_among_faces_that_were_found() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    worn = conditions.Worn(vectors, np.ones(4, np.float32), np.array([True, True, True, False]))
    people = People(np.array([0, 1, 2, 3]), "made up", complete=True)
    words = conditions.strangers_accepted(worn, worn.found, people, 1.0)
    assert words.startswith("0.33 ")
    assert conditions.strangers_accepted(worn, np.array([True, *[False] * 3]), people, 1.0) == "-"


def test_noise_differs_between_pictures_and_repeats_on_one(
    pixels: np.ndarray, face: align.Face
) -> None:
    first, again = worse.noisy(pixels, face), worse.noisy(pixels, face)
    assert np.array_equal(first, again)
    other = worse.noise_of(np.zeros_like(pixels), 40)
    assert abs(np.corrcoef(other.ravel(), worse.noise_of(pixels, 40).ravel())[0, 1]) < 0.05
