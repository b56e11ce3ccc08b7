"""Found, missed, the wrong way up, or where no face is: counted for one detector."""

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.recall.conditions import Pixels, Sample
from bench.recall.detectors import Detect

Landmarks = NDArray[np.float32]

SAME_FACE = 0.3  # IoU: detectors differ in how much forehead and chin a box has


@dataclass
class Tally:
    """Counts over the pictures of one condition; a picture shows one face that counts."""

    found: int = 0
    missed: int = 0
    wrong_way_up: int = 0
    false: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """The median."""
        return statistics.median(self.times)


def count(detect: Detect, samples: Iterable[Sample]) -> Tally:
    """What a detector finds. Other people in a picture are neither found nor false."""
    tally = Tally()
    for sample in samples:
        started = time.perf_counter()
        faces = detect(sample.pixels)
        tally.times.append((time.perf_counter() - started) * 1000)
        best = max(faces, key=lambda face: overlap(face.box, sample.face.box), default=None)
        if best is None or overlap(best.box, sample.face.box) < SAME_FACE:
            tally.missed += 1
            tally.false += bool(faces)
        elif best.landmarks is None or _tilt(best.landmarks, sample.face.landmarks) < 45:
            tally.found += 1
        else:
            tally.wrong_way_up += 1
    return tally


def count_faceless(detect: Detect, pictures: Iterable[Pixels]) -> tuple[int, float]:
    """In how many pictures without a face one is found, and the median time in milliseconds."""
    found, times = 0, []
    for pixels in pictures:
        started = time.perf_counter()
        found += bool(detect(pixels))
        times.append((time.perf_counter() - started) * 1000)
    return found, statistics.median(times)


def _tilt(one: Landmarks, other: Landmarks) -> float:
    """Degrees, 0 to 180, between the directions from eyes to mouth of float32[5,2] landmarks."""
    downs = [landmarks[3:].sum(axis=0) - landmarks[:2].sum(axis=0) for landmarks in (one, other)]
    (across, down), (other_across, other_down) = (each.tolist() for each in downs)
    turn = math.atan2(down, across) - math.atan2(other_down, other_across)
    return abs((math.degrees(turn) + 180) % 360 - 180)


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(across, 0) * max(down, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (sum(areas) - shared))
