"""The refusal finds faces that crowd together, on people that the fit has not seen."""

from typing import Any

import msgspec
import numpy as np
import pytest

from model_layer.refusal import Refusal
from tools.evaluate import crowding
from tools.evaluate.crowding import Set

PEOPLE, DIMENSION, THRESHOLD = 300, 24, 0.7


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def sets() -> dict[str, Set]:
    """Clear faces all about; noisy ones near one point, half as strong; grey ones as the clear."""
    random = np.random.default_rng(0)
    clear = random.normal(size=(PEOPLE, DIMENSION))
    crowd = np.zeros(DIMENSION)
    crowd[3] = 9.0
    norms = random.normal(15, 1, (3, PEOPLE)).astype(np.float32)
    people = np.arange(PEOPLE)
    # Of the noisy faces, a third is told apart all the same.
    pull = np.where(people % 3 == 0, 0.1, 1.0)[:, None]
    return {
        "clear": Set(unit(clear), norms[0], people),
        "noise": Set(unit(clear + pull * crowd), norms[1] - 4, people),
        "grey": Set(unit(clear + random.normal(size=clear.shape) * 0.3), norms[2], people),
    }


def measured(sets: dict[str, Set]) -> dict[str, Any]:
    worn = {name: sets[name] for name in ("noise", "grey")}
    return crowding.measure(sets["clear"], worn, THRESHOLD, "made up")


def test_crowded_faces_are_refused_and_clear_ones_are_not(sets: dict[str, Set]) -> None:
    assert crowding.accepted(sets["noise"], THRESHOLD) > 0.1
    result = measured(sets)
    refusal = msgspec.convert(result, Refusal)
    left = {name: ~refusal.refuses(part.vectors, part.norms) for name, part in sets.items()}
    assert left["clear"].mean() >= 1 - crowding.MOST_REFUSED
    assert left["grey"].mean() > 0.98
    assert crowding.accepted(sets["noise"], THRESHOLD, left["noise"]) <= crowding.GOAL
    assert left["noise"][::3].mean() > 0.9, "what is told apart need not be refused"


def test_figures_come_from_people_that_the_fit_has_not_seen(sets: dict[str, Set]) -> None:
    result = measured(sets)
    assert [crowd["condition"] for crowd in result["crowds"]] == ["noise"]
    assert result["refused"] <= crowding.MOST_REFUSED
    assert result["strangers_accepted"] <= crowding.GOAL


def test_a_model_that_tells_all_apart_refuses_nobody(sets: dict[str, Set]) -> None:
    result = crowding.measure(sets["clear"], {"grey": sets["grey"]}, 0.2, "made up")
    assert (result["crowds"], result["refused"]) == ([], 0.0)


def test_pairs_of_one_person_are_no_strangers() -> None:
    vectors = np.tile(unit(np.ones((1, 4))), (3, 1))
    part = Set(vectors, np.ones(3, np.float32), np.array([0, 0, 1]))
    assert crowding.find_accepted_strangers(part, 0.5).sum() == 4
    assert crowding.accepted(part, 0.5) == 1.0


def test_of_a_handful_left_the_share_is_that_of_all_pairs() -> None:
    vectors = unit(np.concatenate([np.ones((2, 200)), np.eye(200)[:198]]))
    part = Set(vectors, np.ones(200, np.float32), np.arange(200))
    clear = np.arange(200) < 2
    assert crowding.accepted(part, 0.1, clear) == pytest.approx(2 / (0.01 * 200 * 199))
