"""How far `fast` agrees with `exact`, without a second look: the same faces, in the same place."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

import align
from bench.recall.conditions import Pixels
from bench.recall.tally import SAME_FACE, overlap


@dataclass
class Agreement:
    """Counts over pictures; of central faces that both see, how they lie."""

    pictures: int = 0
    faceless: int = 0
    other_central: int = 0
    exact_faces: int = 0
    shared: int = 0
    fast_only: int = 0
    overlaps: list[float] = field(default_factory=list)
    landmarks: list[float] = field(default_factory=list)

    def rows(self) -> list[str]:
        """Markdown."""
        lowest, middle = np.quantile(self.overlaps or [math.nan], (0.01, 0.5))
        apart = np.median(self.landmarks or [math.nan])
        return [
            f"| of {self.pictures:,} pictures | `fast` against `exact` |",
            "|---|---|",
            f"| without a face | {self.faceless} |",
            f"| another central face | {self.other_central} |",
            f"| faces found, of those of `exact` | {self.shared:,} of {self.exact_faces:,} |",
            f"| faces that `exact` does not find | {self.fast_only} |",
            f"| central face, overlap: median, lowest 1 % | {middle:.2f}, {lowest:.2f} |",
            f"| central face, landmarks: median difference | {apart:.1f} pixels |",
        ]


def compare(pictures: Iterable[Pixels]) -> Agreement:
    """Both profiles on each picture, uint8[h,w,3] RGB."""
    profiles: tuple[align.DetectorProfile, ...] = ("exact", "fast")
    detectors = [align.Detector.load(profile) for profile in profiles]
    result = Agreement()
    for pixels in pictures:
        picture = align.Picture.of(pixels)
        exact, fast = (detector.detect(picture, retry=False) for detector in detectors)
        result.pictures += 1
        result.faceless += not fast
        result.exact_faces += len(exact)
        result.shared += sum(any(_same(one, other) for other in fast) for one in exact)
        result.fast_only += sum(not any(_same(one, other) for other in exact) for one in fast)
        if exact and fast:
            _add_central(result, picture, exact, fast)
    return result


def _add_central(
    result: Agreement, picture: align.Picture, exact: list[align.Face], fast: list[align.Face]
) -> None:
    one, other = (
        faces[align.select(faces, "central", picture.width, picture.height)[0]]
        for faces in (exact, fast)
    )
    if not _same(one, other):
        result.other_central += 1
        return
    result.overlaps.append(overlap(one.box, other.box))
    distances = np.linalg.norm(one.landmarks - other.landmarks, axis=1)
    result.landmarks.append(float(distances.mean()))


def _same(one: align.Face, other: align.Face) -> bool:
    return overlap(one.box, other.box) >= SAME_FACE
