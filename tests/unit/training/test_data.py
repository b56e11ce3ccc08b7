"""Views of faces, and batches of them."""

import csv
import itertools
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from align.alignment import TEMPLATE as CUSTOMARY
from training import augment
from training.augment import MARGIN, TEMPLATE, upright
from training.data import NEAREST_STRANGER, Examples, alike, decode_chips, load_examples

BATCH = 8


def dots(points: np.ndarray) -> np.ndarray:
    chip = np.zeros((120, 120, 3), np.uint8)
    for x, y in points:
        cv2.circle(chip, (round(float(x) * 16), round(float(y) * 16)), 32, (255,) * 3, -1, 8, 4)
    return chip


def test_a_stored_chip_is_moved_onto_the_networks_template() -> None:
    for stored, wanted in zip(CUSTOMARY + MARGIN, TEMPLATE, strict=True):
        moved = upright(dots(stored[None]))[..., 0].astype(float)
        rows, columns = np.mgrid[0:128, 0:128]
        found = np.array([(moved * columns).sum(), (moved * rows).sum()]) / moved.sum()
        # The two templates are not similar: a fit by rotation, scale and shift leaves this.
        assert np.abs(found - wanted).max() < 3


@pytest.mark.parametrize("number", range(len(augment.WEARS)))
def test_every_wear_changes_the_picture_and_depends_on_the_seed_alone(number: int) -> None:
    chip = np.random.default_rng(0).integers(40, 200, (16, 16, 3), dtype=np.uint8)
    chip = chip.repeat(8, axis=0).repeat(8, axis=1)
    first, again = (
        augment.WEARS[number](random)(chip, random)
        for random in (np.random.default_rng(3), np.random.default_rng(3))
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == chip.shape
    assert first.dtype == np.uint8
    assert np.abs(first.astype(int) - chip).mean() > 0.5


@pytest.mark.parametrize(
    ("cover", "hidden", "shown"),
    [(augment.mask, (64, 110), (64, 40)), (augment.glasses, (40, 59), (64, 112))],
)
def test_a_cover_hides_its_part_of_the_face(cover: Any, hidden: Any, shown: Any) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        chip = np.full((128, 128, 3), 128, np.uint8)
        chip[::2] = 90
        worn = cover(random)(chip, random)
        changed = np.abs(worn.astype(int) - chip).sum(2)
        assert (changed[shown[1] - 2 : shown[1] + 2, shown[0]] == 0).all()
        assert (changed[hidden[1] - 2 : hidden[1] + 2, hidden[0]] > 0).any()


def test_a_group_turned_away_shows_nobody(examples: Any) -> None:
    chips = list(examples.chips[:3])
    seen = [alike(chips, np.random.default_rng(seed))[1] for seed in range(60)]
    assert all(len(set(turned)) == 1 for turned in seen)
    assert 0 < sum(turned[0] for turned in seen) < 20


def test_chips_that_measure_or_are_held_out_are_never_trained_on(examples: Examples) -> None:
    train, held_out = examples.split()
    assert not examples.measured[train].any()
    assert not examples.measured[held_out].any()
    assert not set(train) & set(held_out)
    for batch in itertools.islice(examples.batches(BATCH, 0), 4):
        nearest = (batch.targets @ examples.targets.T).argmax(1)
        assert set(nearest) <= set(train)


def test_who_is_a_stranger_to_whom(examples: Examples) -> None:
    targets = examples.targets.copy()
    targets[6] = targets[5]  # the same picture twice, without a name
    own = Examples(examples.chips, targets, examples.people, examples.measured)
    strangers = own.strangers(np.array([0, 1, 2, 5, 6]))
    assert not strangers.diagonal().any()
    assert not strangers[0, 1], "one name"
    assert strangers[0, 2], "two names"
    assert not strangers[3, 4], "as near as one person"
    assert strangers[0, 3] == (targets[0] @ targets[5] < NEAREST_STRANGER)


def test_batches_from_the_middle_are_those_of_a_whole_run(examples: Examples) -> None:
    whole = list(itertools.islice(examples.batches(BATCH, 5), 4))
    rest = list(itertools.islice(examples.batches(BATCH, 5, start=2), 2))
    for left, right in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(left.chips, right.chips)
        np.testing.assert_array_equal(left.turned, right.turned)


def test_whoever_waits_for_a_batch_hears_that_none_can_be_made(examples: Examples) -> None:
    broken = Examples(examples.chips, examples.targets, examples.people[:3], examples.measured)
    with pytest.raises(IndexError):
        next(broken.batches(BATCH, 0))


def test_what_only_measures_is_read_from_the_groups(tmp_path: Path) -> None:
    encoded = cv2.imencode(".png", np.full((120, 120, 3), (10, 20, 30), np.uint8))[1].tobytes()
    with zipfile.ZipFile(tmp_path / "chips.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"chips/{number}.webp", encoded)
    write(
        tmp_path / "chips.csv",
        ["chip", "source", "identity"],
        [[f"{n}.webp", "utk", ""] for n in range(3)],
    )
    write(tmp_path / "groups.csv", ["chip", "use"], [["1.webp", "measure"], ["2.webp", "train"]])
    np.save(tmp_path / "targets.npy", np.eye(3, 256, dtype=np.float32))
    decode_chips(tmp_path, tmp_path / "chips.npy")
    loaded = load_examples(tmp_path, tmp_path / "chips.npy", tmp_path / "targets.npy")
    assert loaded.measured.tolist() == [False, True, False]
    assert loaded.chips[0, 0, 0].tolist() == [30, 20, 10], "RGB"


def write(path: Path, head: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
