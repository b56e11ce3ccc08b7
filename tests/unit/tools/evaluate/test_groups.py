"""Rates within and between groups, on faces whose distances are made."""

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import model_layer
from align.alignment import TEMPLATE
from tools.evaluate import group_rates, groups
from tools.evaluate.dataset import open_pictures
from tools.evaluate.group_rates import Faces, measure_cell, measure_groups


def around(centre: list[float], spread: float, count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    found = np.array(centre) + random.normal(0, spread, (count, len(centre)))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def faces(vectors: np.ndarray, first: int = 0, ages: float = 30.0) -> Faces:
    people = np.arange(len(vectors)) + first
    return Faces(vectors, people, np.full(len(vectors), ages))


@pytest.fixture
def crowded() -> Faces:
    return faces(around([1, 0, 0, 0], 0.4, 60, 1))


@pytest.fixture
def spread() -> Faces:
    return faces(around([0, 0, 0, 0.01], 1.0, 60, 2), first=60)


def test_a_crowded_group_has_a_higher_rate_and_a_lower_threshold(
    crowded: Faces, spread: Faces
) -> None:
    cells = measure_groups({"near": crowded, "far": spread}, threshold=0.8, far=0.05)
    near, far = cells["near", "near"], cells["far", "far"]
    assert near.rate.value > 5 * far.rate.value
    assert near.threshold is not None
    assert far.threshold is not None
    assert near.threshold < far.threshold
    assert cells["near", "far"].threshold is None
    assert 3400 < cells["near", "far"].pairs <= 3600  # less those nearer than 0.35


def test_the_threshold_of_a_group_meets_the_rate(crowded: Faces) -> None:
    found = measure_cell(crowded, crowded, 0.8, far=0.05)
    again = measure_cell(crowded, crowded, found.threshold or 0.0, far=0.05)
    assert again.rate.value <= 0.05
    assert again.rate.value == pytest.approx(0.05, abs=0.002)
    assert again.rate.low < 0.05 < again.rate.high


def test_repeats_and_pictures_of_one_person_are_left_out() -> None:
    twice = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    unnamed = faces(twice)
    assert measure_cell(unnamed, unnamed, 1.5, 0.1).pairs == 4
    named = Faces(twice, np.array([0, 1, 0, 1]), unnamed.ages)
    assert measure_cell(named, named, 1.5, 0.1).pairs == 2


def test_pairs_apart_in_age_are_those_of_the_years_asked_for(crowded: Faces) -> None:
    ages = np.where(np.arange(60) < 20, 20.0, 40.0)
    aged = Faces(crowded.vectors, crowded.people, ages)
    everyone, apart = (measure_cell(aged, aged, 0.8, 0.1, years) for years in (0, 10))
    assert apart.pairs < everyone.pairs
    assert apart.pairs <= 20 * 40


def test_no_accepted_pair_leaves_room_for_what_was_not_seen(spread: Faces) -> None:
    found = measure_cell(spread, spread, 0.0, far=0.1)
    assert found.rate.value == 0.0
    assert found.rate.high == pytest.approx(3 / found.pairs)


def rows(*ages: int) -> list[dict[str, str]]:
    return [
        {"image": f"{place}.png", "age": str(age), "gender": "female", "use": ""}
        for place, age in enumerate(ages)
    ]


def test_children_are_grouped_by_age_and_adults_by_label() -> None:
    found = groups.group_rows(rows(3, 4, 17, 18, 70))
    assert {name: inside.nonzero()[0].tolist() for name, inside in found.items()} == {
        "female": [3, 4],
        "children under 4": [0],
        "children 4 to 11": [1],
        "youths 12 to 17": [2],
    }


def test_the_worst_group_is_the_adults_with_the_lowest_threshold(
    crowded: Faces, spread: Faces
) -> None:
    children = faces(around([0, 1, 0, 0], 0.3, 60, 3), first=120, ages=2)
    named = {"near": crowded, "far": spread, "children under 4": children}
    measured = group_rates.Measured(
        faces=dict.fromkeys(named, 60),
        children=frozenset({"children under 4"}),
        everyone=measure_groups(named, 0.8, 0.05),
        apart={},
        threshold=0.8,
        far=0.05,
        protocol="made up",
    )
    worst = groups.worst_group(measured)
    assert worst is not None
    assert worst["group"] == "near"
    lines = groups.to_markdown(measured)
    assert any("worst group of adults (near" in line for line in lines)
    assert sum(line.startswith("| children under 4 |") for line in lines) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,age\n1.png,30\n", "a column to group by"),
        ("name,group\n1.png,a\n", "the column image"),
        ("image,group,use\n1.png,a,train\n", "and rows"),
        ("image,group,age\n1.png,a,old\n", "age 'old' is not a number"),
    ],
)
def test_a_file_without_what_is_needed_is_refused_with_a_message(
    text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(SystemExit, match=words):
        groups.read_labels(tmp_path / "labels.csv")


def test_a_stored_chip_is_moved_onto_the_template(tmp_path: Path) -> None:
    """A dot at each landmark of the stored chip lands where the model's template wants it."""
    pixels = np.zeros((120, 120, 3), np.uint8)
    for x, y in np.rint(TEMPLATE + groups.EDGE).astype(int):
        pixels[y - 1 : y + 2, x - 1 : x + 2] = 255
    with zipfile.ZipFile(tmp_path / "chips.zip", "w") as archive:
        archive.writestr("a.png", cv2.imencode(".png", pixels)[1].tobytes())
    template = tuple((x * 128 / 112, y * 128 / 112) for x, y in TEMPLATE.tolist())
    alignment = model_layer.SimilarityAlignment(size=128, template=template)
    model: Any = SimpleNamespace(id="m", manifest=SimpleNamespace(alignment=alignment))
    chips = groups.align_chips(open_pictures(tmp_path / "chips.zip"), ["a.png"], model, tmp_path)
    for x, y in np.rint(np.array(template)).astype(int):
        assert chips.pixels[0, y, x].mean() > 150
    assert chips.pixels[0].mean() < 10
