"""Distances from a face to persons, and their ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from handler.search.types import Face
from model_layer.distance import distances, normalise

# `mean`: the distance to the mean of a person's faces; `best`: to the nearest of them.
Score = Literal["mean", "best"]
# Measured by `python -m tools.evaluate.search`; docs/search.md has both.
DEFAULT_SCORE: Score = "mean"


@dataclass(frozen=True)
class FaceDistance:
    """One enrolled face and its distance to the probe."""

    face: Face
    distance: float


@dataclass(frozen=True)
class Candidate:
    """A person, or a face without one, and its distance to the probe; `faces` nearest first."""

    person: str | None
    distance: float
    faces: tuple[FaceDistance, ...]


def mean_vector(faces: Sequence[Face]) -> NDArray[np.float32]:
    """The direction of the mean of the faces' vectors: float32 [D] of unit length."""
    vectors = np.stack([face.vector for face in faces])
    mean: NDArray[np.float32] = vectors.mean(axis=0, dtype=np.float64, keepdims=True)
    return np.asarray(normalise(mean.astype(np.float32))[0])


def score(probe: NDArray[np.float32], faces: Sequence[Face], how: Score) -> Candidate:
    """How far `probe` (float32 [D]) is from the person that `faces`, at least one, are of."""
    lengths = distances(probe[None], np.stack([face.vector for face in faces]))[0]
    order = np.argsort(lengths, kind="stable")
    near = tuple(FaceDistance(faces[row], round(float(lengths[row]), 6)) for row in order)
    whole = near[0].distance
    if how == "mean" and len(faces) > 1:
        whole = round(float(distances(probe[None], mean_vector(faces)[None])[0, 0]), 6)
    return Candidate(faces[0].person, whole, near)


def rank(
    probe: NDArray[np.float32], groups: Sequence[Sequence[Face]], how: Score
) -> list[Candidate]:
    """The groups as candidates, nearest first; a group without faces is left out."""
    candidates = [score(probe, faces, how) for faces in groups if faces]
    return sorted(candidates, key=lambda candidate: candidate.distance)
