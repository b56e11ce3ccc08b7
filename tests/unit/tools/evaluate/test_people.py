"""Who is on a picture comes from the first source that the labels do not contradict."""

from pathlib import Path

import numpy as np
import pytest

from tools.evaluate import people
from tools.evaluate.dataset import Pairs, read_pairs


def pairs_of(*rows: tuple[str, str, bool], persons: tuple[str, ...] = ()) -> Pairs:
    names = tuple(dict.fromkeys(name for row in rows for name in row[:2]))
    left, right = (np.array([names.index(row[side]) for row in rows]) for side in (0, 1))
    same = np.array([row[2] for row in rows])
    return Pairs(names, left, right, np.arange(len(rows)) + 1, same, persons)


def test_the_folder_of_a_picture_names_its_person() -> None:
    found = people.identify(
        pairs_of(("ann/1.jpg", "ann/2.jpg", True), ("bo/1.jpg", "cy/1.jpg", False))
    )
    assert found.index.tolist() == [0, 0, 1, 2]
    assert (found.count, found.complete) == (3, True)
    assert "folders" in found.source


def test_names_as_in_lfw_serve_where_all_pictures_lie_in_one_folder() -> None:
    found = people.identify(
        pairs_of(
            ("all/Ann_Lee_0001.jpg", "all/Ann_Lee_0002.jpg", True),
            ("all/Bo_0001.jpg", "all/Cy_0001.jpg", False),
        )
    )
    assert found.index.tolist() == [0, 0, 1, 2]
    assert "names" in found.source


def test_columns_of_the_file_come_first(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "fold,image_a,image_b,same,person_a,person_b\n"
        "1,x/1.jpg,y/1.jpg,1,ann,ann\n1,x/2.jpg,y/2.jpg,0,bo,cy\n"
    )
    found = people.identify(read_pairs(path))
    assert found.count == 3
    assert "columns" in found.source


def test_labels_alone_join_pictures_in_chains_and_say_that_more_is_unknown() -> None:
    rows = (("a.jpg", "b.jpg", True), ("b.jpg", "c.jpg", True), ("a.jpg", "d.jpg", False))
    found = people.identify(pairs_of(*rows))
    assert found.index.tolist() == [0, 0, 0, 1]
    assert not found.complete


def test_a_name_that_a_label_contradicts_is_ignored() -> None:
    rows = (("ann/1.jpg", "ann/2.jpg", False), ("bo/1.jpg", "bo/2.jpg", True))
    assert not people.identify(pairs_of(*rows)).complete


def test_a_draw_has_as_many_people_and_a_pair_as_often_as_both() -> None:
    for drawn in people.draw_people(50, rounds=5, seed=0):
        assert drawn.sum() == 50
    drawn = np.array([0, 2, 3])
    left, right = np.array([1, 1, 0]), np.array([1, 2, 2])
    assert people.pair_draws(left, right, drawn).tolist() == [2, 6, 0]


def test_a_picture_belongs_to_the_fold_of_its_first_pair() -> None:
    rows = (("a_1.jpg", "a_2.jpg", True), ("a_2.jpg", "b_1.jpg", False))
    assert people.folds_of(pairs_of(*rows)).tolist() == [1, 1, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_draws_repeat(seed: int) -> None:
    first, again = (list(people.draw_people(9, rounds=3, seed=seed)) for _ in range(2))
    assert np.array_equal(first, again)
