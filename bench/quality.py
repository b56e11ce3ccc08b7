"""`python -m bench.quality`: what `min_quality` lets pass, and the face that looks straight ahead.

Every fourth picture of LFW folds 1-3, `fast`, `central` face. The median landmarks on the alignment
template are where `align.quality.STRAIGHT` comes from, made symmetric.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import align
from align.alignment import TEMPLATE, similarity_transform
from bench.speed.report import machine_and_date
from handler.faces.quality import shortcomings
from handler.faces.types import FoundFace
from tools.evaluate.__main__ import LFW
from tools.evaluate.dataset import open_pictures, read_pairs

SHARES = (0.3, 0.5, 0.8)


def main() -> None:
    """Prints the share of faces that pass, their median pose, and the median face."""
    faces = find_faces()
    print(f"| `min_quality` | of {len(faces)} faces pass |\n|---|---|")
    for share in SHARES:
        passing = np.mean([not shortcomings(face, share) for face in faces])
        print(f"| {share} | {passing:.0%} |")
    qualities = [face.quality for face in faces if face.quality is not None]
    pose = np.median([(each.yaw, each.pitch, each.roll) for each in qualities], axis=0)
    print("\nmedian yaw, pitch, roll in degrees:", *pose.round(1))
    print("median face on the template:", *median_face(faces).round(1).tolist())
    print(f"\n{machine_and_date()}, `python -m bench.quality`.")


def find_faces() -> list[FoundFace]:
    """The central face of each picture in which there is one, judged."""
    detector = align.Detector.load("fast")
    pictures = open_pictures(LFW / "images.zip")
    found = []
    for name in read_pairs(LFW / "pairs.csv").names[::4]:
        picture = align.decode(pictures.read(name))
        faces = detector.detect(picture)
        for index in align.select(faces, "central", picture.width, picture.height):
            face = faces[index]
            quality = align.measure_quality(picture, face)
            found.append(FoundFace(face.box, face.landmarks, face.score, quality))
    return found


def median_face(faces: Sequence[FoundFace]) -> NDArray[np.float64]:
    """The median of the landmarks, float64[5,2], each face laid onto the template."""
    marks = [face.landmarks for face in faces if face.landmarks is not None]
    moves = [similarity_transform(points, TEMPLATE) for points in marks]
    moved = [points @ move[:, :2].T + move[:, 2] for points, move in zip(marks, moves, strict=True)]
    return np.asarray(np.median(moved, axis=0))


if __name__ == "__main__":
    main()
