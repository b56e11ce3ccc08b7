"""What happens to pictures before they reach a detector, and where the face is afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

import align

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """uint8[h,w,3] RGB and the face in it, whose landmarks say which way up it stands."""

    pixels: Pixels
    face: align.Face

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


Condition = Callable[[Sample], Sample]


def turned(turns: int) -> Condition:
    """So many quarter turns, counterclockwise."""

    def turn(sample: Sample) -> Sample:
        pixels = np.ascontiguousarray(np.rot90(sample.pixels, turns))
        return Sample(pixels, sample.face.turned(turns, *sample.size))

    return turn


def lit(factor: float) -> Condition:
    """Every value times `factor`, at most 255."""

    def light(sample: Sample) -> Sample:
        pixels = np.clip(sample.pixels * np.float32(factor), 0, 255).astype(np.uint8)
        return replace(sample, pixels=pixels)

    return light


def cropped(inside: float) -> Condition:
    """The face box alone, less a share of its sides at each border."""

    def crop(sample: Sample) -> Sample:
        left, top, right, bottom = sample.face.box
        across, down = sample.face.width * inside, sample.face.height * inside
        width, height = sample.size
        columns = max(int(left + across), 0), min(int(right - across), width)
        rows = max(int(top + down), 0), min(int(bottom - down), height)
        pixels = np.ascontiguousarray(sample.pixels[slice(*rows), slice(*columns)])
        return Sample(pixels, sample.face.moved(-columns[0], -rows[0]))

    return crop


def shrunk(wanted: int) -> Condition:
    """The whole picture smaller, so that the face is `wanted` pixels wide."""

    def shrink(sample: Sample) -> Sample:
        factor = wanted / sample.face.width
        size = [max(round(side * factor), 1) for side in sample.size]
        smaller = cv2.resize(sample.pixels, size, interpolation=cv2.INTER_AREA)
        return Sample(np.asarray(smaller, np.uint8), sample.face.enlarged(factor))

    return shrink


def cropped_and_shrunk(inside: float, wanted: int) -> Condition:
    """`cropped`, and then smaller, so that the face is `wanted` pixels wide."""
    return lambda sample: shrunk(wanted)(cropped(inside)(sample))


def blurred(share: float) -> Condition:
    """A Gaussian blur of a share of the face's width."""

    def blur(sample: Sample) -> Sample:
        soft = cv2.GaussianBlur(sample.pixels, (0, 0), sample.face.width * share)
        return replace(sample, pixels=np.asarray(soft, np.uint8))

    return blur


CONDITIONS: Mapping[str, Condition] = {
    "as it is": lambda sample: sample,
    "turned 90": turned(1),
    "turned 180": turned(2),
    "turned 270": turned(3),
    "dark x0.15": lit(0.15),
    "dark x0.1": lit(0.1),
    "dark x0.07": lit(0.07),
    "bright x3": lit(3),
    "tight crop": cropped(0.0),
    "tight crop, border cut off": cropped(0.1),
    "tight crop, border cut off, 48 pixels": cropped_and_shrunk(0.1, 48),
    "40 pixels": shrunk(40),
    "32 pixels": shrunk(32),
    "24 pixels": shrunk(24),
    "blurred": blurred(0.05),
}
