"""Embeddings of several images -> the pairs of faces, nearest first."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from handler.faces.answers import FaceIndex, Pair
from model_layer import distances


def match(
    groups: Sequence[NDArray[np.float32]],
    threshold: float,
    similarity: Callable[[float], float | None],
) -> list[Pair]:
    """Every pair of faces of different images, nearest first.

    `groups` holds one float32 [n,D] of unit vectors per image. A face's pair with another face
    of its own image is no pair.
    """
    places = [(image, face) for image, group in enumerate(groups) for face in range(len(group))]
    vectors = np.concatenate(groups)
    lengths = distances(vectors, vectors).tolist()
    pairs = sorted(
        (lengths[first][second], *places[first], *places[second])
        for first, second in combinations(range(len(places)), 2)
        if places[first][0] != places[second][0]
    )
    return [
        _pair(FaceIndex(one, a), FaceIndex(other, b), length, threshold, similarity)
        for length, one, a, other, b in pairs
    ]


def nearest_of_first(pairs: Sequence[Pair]) -> Pair:
    """The nearest pair of image 0 with another image."""
    return next(pair for pair in pairs if pair.a.image == 0)


def _pair(
    a: FaceIndex,
    b: FaceIndex,
    distance: float,
    threshold: float,
    similarity: Callable[[float], float | None],
) -> Pair:
    shown = round(distance, 6)  # decided on what is answered: the two must never disagree
    chance = similarity(shown)
    return Pair(
        a=a,
        b=b,
        distance=shown,
        similarity=None if chance is None else round(chance, 6),
        same=shown <= threshold,
    )
