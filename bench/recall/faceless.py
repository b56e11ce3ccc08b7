"""300 pictures without a face: noise, textures, drawings, text, and photographs of packages.

Photographs are those that the wheel of scikit-image brings (its LICENSES name each one's: public
domain, CC0 or BSD), in crops; where it is not installed, drawings take their place.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from bench.recall.conditions import Pixels

COUNT = 300
SIDES = (160, 250, 400)
# Of skimage.data, without `astronaut` and `camera`, which show people. `chelsea` is a cat.
PHOTOGRAPHS = (
    "brick",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
    "colorwheel",
    "logo",
)
WORDS = ("Invoice", "total", "1,024.50", "due", "on the last", "day", "(see overleaf)", "@ 8%")

Draw = Callable[[np.random.Generator, int], Pixels]


def faceless() -> Iterator[Pixels]:
    """uint8[h,w,3] RGB each, always the same ones."""
    random = np.random.default_rng(19)
    photographs = _photographs()
    draws: list[Draw] = [noise, texture, stripes, blobs, shapes, text]
    for index in range(COUNT):
        side = SIDES[index % len(SIDES)]
        if photographs and index % 2:
            yield _crop(random, photographs[index // 2 % len(photographs)], side)
        else:
            yield draws[index // 2 % len(draws)](random, side)


def noise(random: np.random.Generator, side: int) -> Pixels:
    """Each value by itself."""
    return random.integers(0, 256, (side, side, 3), np.uint8)


def texture(random: np.random.Generator, side: int) -> Pixels:
    """Noise of several sizes on top of each other, as clouds and bark have."""
    sum_of_all = np.zeros((side, side, 3), np.float32)
    for cells in (4, 8, 16, 32, 64):
        layer = random.normal(size=(cells, cells, 3)).astype(np.float32) / cells**0.7
        sum_of_all += cv2.resize(layer, (side, side), interpolation=cv2.INTER_CUBIC)
    return _to_bytes(sum_of_all)


def stripes(random: np.random.Generator, side: int) -> Pixels:
    """Two waves across each other: cloth, blinds, tiles."""
    down, across = np.mgrid[0:side, 0:side].astype(np.float32) / side
    waves = np.zeros((side, side), np.float32)
    for _ in range(2):
        along, beside = random.uniform(-40, 40, 2)
        waves += np.sin(along * across + beside * down + random.uniform(0, 6))
    return _to_bytes(waves[..., None] * random.uniform(0.3, 1, 3).astype(np.float32))


def blobs(random: np.random.Generator, side: int) -> Pixels:
    """Soft spots of any colour: fruit, bokeh, pebbles."""
    canvas = np.full((side, side, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(random.integers(5, 40)):
        centre = tuple(random.integers(0, side, 2).tolist())
        radius = int(random.integers(side // 40 + 1, side // 5))
        cv2.circle(canvas, centre, radius, random.integers(0, 256, 3).tolist(), -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), side / 60), np.uint8)


def shapes(random: np.random.Generator, side: int) -> Pixels:
    """Lines, boxes and rings: plans, charts, signs."""
    canvas = np.full((side, side, 3), 255, np.uint8)
    for index in range(random.integers(8, 40)):
        one, other = (tuple(random.integers(0, side, 2).tolist()) for _ in range(2))
        colour, width = random.integers(0, 256, 3).tolist(), int(random.integers(1, 5))
        if index % 3 == 0:
            cv2.line(canvas, one, other, colour, width, cv2.LINE_AA)
        elif index % 3 == 1:
            cv2.rectangle(canvas, one, other, colour, width)
        else:
            cv2.circle(canvas, one, int(random.integers(3, side // 4)), colour, width, cv2.LINE_AA)
    return canvas


def text(random: np.random.Generator, side: int) -> Pixels:
    """A page of words in one of OpenCV's fonts."""
    canvas = np.full((side, side, 3), 245, np.uint8)
    size, font = float(random.uniform(0.3, 1.2)), int(random.integers(0, 8))
    for row in range(int(30 * size), side, int(34 * size)):
        line = " ".join(random.choice(WORDS, 8))
        cv2.putText(canvas, line, (4, row), font, size, (20, 20, 30), 1, cv2.LINE_AA)
    return canvas


def _to_bytes(values: np.ndarray) -> Pixels:
    spread = max(float(np.ptp(values)), 1e-6)
    return np.asarray((values - values.min()) / spread * 255, np.uint8)


def _photographs() -> list[Pixels]:
    try:
        from skimage import data
    except ImportError:
        return []
    return [_as_rgb(np.asarray(getattr(data, name)())) for name in PHOTOGRAPHS]


def _as_rgb(values: np.ndarray) -> Pixels:
    if values.dtype == bool:
        values = values * np.uint8(255)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., :3].astype(np.uint8))


def _crop(random: np.random.Generator, pixels: Pixels, side: int) -> Pixels:
    """A square of a photograph, from a quarter of it to all, at one size."""
    height, width = pixels.shape[:2]
    edge = int(min(height, width) * random.uniform(0.5, 1))
    left, top = (int(random.integers(0, whole - edge + 1)) for whole in (width, height))
    part = pixels[top : top + edge, left : left + edge]
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
