"""The exact profile repeats the reference cascade; the fast one finds what matters.

The reference outputs are those of davidsandberg's detect_face on TensorFlow (see golden/README.md
in the data folder).
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import align


@dataclass(frozen=True)
class Reference:
    box: tuple[float, float, float, float]
    landmarks: np.ndarray

    @property
    def size(self) -> float:
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class Case:
    name: str
    picture: align.Picture
    faces: list[Reference]


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    golden = json.loads((shared / "golden" / "mtcnn_lfw.json").read_text())["images"]
    with zipfile.ZipFile(shared / "faces" / "lfw" / "images.zip") as archive:
        return [
            Case(name, align.decode(archive.read(name)), [read_reference(face) for face in faces])
            for name, faces in golden.items()
        ]


def read_reference(face: dict) -> Reference:
    points = np.stack([face["landmarks_x"], face["landmarks_y"]], axis=1)
    return Reference(tuple(face["box"]), points)


def overlap(one: tuple, other: tuple) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def matches(cases: list[Case], detector: align.Detector) -> Iterator[tuple]:
    """(case, reference face, best found face or None, its overlap), and extra faces with None."""
    for case in cases:
        found = detector.detect(case.picture)
        taken = set()
        for reference in case.faces:
            overlaps = [overlap(face.box, reference.box) for face in found]
            best = int(np.argmax(overlaps)) if overlaps else -1
            taken.add(best)
            yield case, reference, found[best] if found else None, max(overlaps, default=0.0)
        for index in set(range(len(found))) - taken:
            yield case, None, found[index], 0.0


@pytest.mark.shared
def test_exact_finds_every_reference_face_and_no_other(cases: list[Case]) -> None:
    for case, reference, face, agreement in matches(cases, align.Detector.load("exact")):
        assert reference is not None, f"{case.name}: an extra face at {face.box}"
        assert agreement >= 0.95, f"{case.name}: {reference.box} overlaps only {agreement:.3f}"
        assert np.abs(face.landmarks - reference.landmarks).max() <= 2, case.name


@pytest.mark.shared
def test_fast_finds_the_faces_that_can_be_verified(cases: list[Case]) -> None:
    found = list(matches(cases, align.Detector.load("fast")))
    wanted = [row for row in found if row[1] is not None]
    recall = sum(row[3] >= 0.5 for row in wanted) / len(wanted)
    extra = sum(row[1] is None for row in found)
    assert recall >= 0.97
    assert extra <= 1
    shifts = [
        np.linalg.norm(row[2].landmarks - row[1].landmarks, axis=1).mean() / row[1].size
        for row in wanted
        if row[3] >= 0.5
    ]
    assert np.median(shifts) < 0.02


@pytest.mark.shared
def test_fast_chooses_the_same_central_face(cases: list[Case]) -> None:
    detector = align.Detector.load("fast")
    for case in cases:
        width, height = case.picture.width, case.picture.height
        known = [align.Face(face.box, face.landmarks, 1.0) for face in case.faces]
        found = detector.detect(case.picture)
        (expected,) = align.select(known, "central", width, height)
        (chosen,) = align.select(found, "central", width, height)
        assert overlap(known[expected].box, found[chosen].box) > 0.6, case.name
