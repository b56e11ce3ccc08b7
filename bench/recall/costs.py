"""What the second look costs: in pictures without a face, and in a compare of ordinary pictures.

Processor time of one thread, so that other programs on the machine change it little.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np

import align
from align.second_look import TRUSTED
from bench.recall.conditions import Pixels
from bench.recall.strangers import load_bundled

REPEATS = 3


def looks_in_first_ones(
    detector: align.Detector, pictures: Iterable[Pixels]
) -> tuple[float, float, float]:
    """Median, 95th percentile and maximum of all looks' time in that of the first look."""
    ratios = []
    for pixels in pictures:
        picture = align.Picture.of(pixels)
        if not detector.detect(picture):  # a face that is found ends the search
            ratios.append(_ratio(*(_detect(detector, picture, retry) for retry in (True, False))))
    return tuple(np.quantile(ratios, (0.5, 0.95, 1.0)).tolist())


def looks_in_ordinary_ones(
    detector: align.Detector, pictures: Iterable[Pixels], ordinary: Sequence[Pixels]
) -> tuple[float, float, float]:
    """The same in the median time of a first look at ordinary pictures, scaled to the same size."""
    plain: dict[tuple[int, ...], float] = {}
    ratios = []
    for pixels in pictures:
        picture = align.Picture.of(pixels)
        if detector.detect(picture):
            continue
        shape = pixels.shape
        if shape not in plain:
            alike = [align.Picture.of(_scale(each, shape)) for each in ordinary]
            looks = [_least_seconds(_detect(detector, each, retry=False)) for each in alike]
            plain[shape] = statistics.median(looks)
        ratios.append(_least_seconds(_detect(detector, picture, retry=True)) / plain[shape])
    return tuple(np.quantile(ratios, (0.5, 0.95, 1.0)).tolist())


def scaled(pictures: Iterable[Pixels], side: int) -> Iterator[Pixels]:
    """The pictures at so many pixels a side."""
    return (_scale(pixels, (side, side)) for pixels in pictures)


def orientation_check(files: Sequence[bytes]) -> tuple[float, float]:
    """A compare of neighbouring pictures with the check over one without: median, 95th percentile.

    Only pictures that need no further look.
    """
    model, detector = load_bundled(), align.Detector.load("fast")
    own = model.manifest.alignment
    target = align.alignment_for(own.size, own.margin, own.template)

    def compare(pair: Sequence[bytes], retry: bool) -> Callable[[], None]:
        def once() -> None:
            for data in pair:
                picture = align.decode(data)
                face = detector.detect(picture, retry=retry)[0]
                align.measure_quality(picture, face)
                model.embed(align.align(picture, face, target)[None])

        return once

    sure = [data for data in files if _is_sure(detector, data)]
    ratios = [
        _ratio(compare(pair, retry=True), compare(pair, retry=False)) for pair in pairwise(sure)
    ]
    return tuple(np.quantile(ratios, (0.5, 0.95)).tolist())


def _is_sure(detector: align.Detector, data: bytes) -> bool:
    faces = detector.detect(align.decode(data), retry=False)
    return any(face.score >= TRUSTED for face in faces)


def _detect(detector: align.Detector, picture: align.Picture, retry: bool) -> Callable[[], object]:
    return lambda: detector.detect(picture, retry=retry)


def _ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """How often the time of `other` goes into that of `one`: the least of alternating runs."""
    times = [(_seconds(one), _seconds(other)) for _ in range(REPEATS)]
    return min(first for first, _ in times) / min(second for _, second in times)


def _least_seconds(run: Callable[[], object]) -> float:
    return min(_seconds(run) for _ in range(REPEATS))


def _scale(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    smaller = shape[0] * shape[1] < pixels.shape[0] * pixels.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, shape[1::-1], interpolation=way), np.uint8)


def _seconds(run: Callable[[], object]) -> float:
    started = time.thread_time()
    run()
    return time.thread_time() - started
