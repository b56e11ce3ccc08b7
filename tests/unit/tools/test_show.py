"""The result card says what was measured."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot

from align import Detector, Face, Picture
from tools import show

LANDMARKS = np.array([[30, 40], [60, 40], [45, 55], [33, 70], [57, 70]], np.float32)


def view(name: str, faces: int = 1) -> show.View:
    picture = Picture.of(np.full((120, 100, 3), 90, np.uint8))
    found = [Face((20.0 + at, 20.0, 70.0, 90.0), LANDMARKS, 0.99) for at in range(faces)]
    return show.View(name, picture, found, 0, np.zeros((8, 8, 3), np.uint8))


def comparison(distance: float, threshold: float = 1.1) -> show.Comparison:
    manifest: Any = SimpleNamespace(
        id="a-model", similarity=lambda d: 1 / (1 + np.exp(10 * d - 11))
    )
    return show.Comparison(view("a.jpg", faces=3), view("b.jpg"), distance, threshold, manifest)


def words(figure: Any) -> str:
    texts = [*figure.texts, *(text for axes in figure.axes for text in [*axes.texts, axes.title])]
    return "\n".join(text.get_text() for text in texts)


@pytest.mark.parametrize(
    ("distance", "verdict", "sure"),
    [
        (0.454, "The same person", "99.8% sure: one person"),
        (1.1, "The same person", "50.0% sure: one person"),
        (1.3, "Different people", "88.1% sure: two people"),
        (1.9, "Different people", "over 99.9% sure: two people"),
    ],
)
def test_card_says_verdict_probability_and_distance(
    distance: float, verdict: str, sure: str
) -> None:
    figure = show.draw(comparison(distance))
    said = words(figure)
    pyplot.close(figure)
    for expected in (verdict, sure, f"distance {distance:.3f}", "threshold 1.10", "model a-model"):
        assert expected in said


@pytest.mark.parametrize(("distance", "threshold"), [(0.5, 1.8), (1.9, 1.1), (0.5, 1.1)])
def test_scale_reaches_beyond_distance_and_threshold(distance: float, threshold: float) -> None:
    figure = show.draw(comparison(distance, threshold))
    end = figure.axes[-1].get_xlim()[1]
    pyplot.close(figure)
    assert end > max(distance, threshold)


def test_every_face_is_boxed_and_only_the_chosen_one_in_the_colour_of_the_verdict() -> None:
    figure = show.draw(comparison(0.5))
    edges = [patch.get_edgecolor() for patch in figure.axes[0].patches]
    pyplot.close(figure)
    blue = show.matplotlib.colors.to_rgba(show.SAME_COLOUR)
    assert len(edges) == 2 * 3
    assert edges.count(blue) == 1


def test_picture_without_a_face_is_named(root: Path) -> None:
    with pytest.raises(SystemExit, match=r"no_face\.jpg: no face found"):
        show.find_and_align(
            root / "events/pictures/no_face.jpg",
            Detector.load("fast"),
            "largest",
            show.align.BoxAlignment(160, 32),
        )
