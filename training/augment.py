"""Random views of a face: what alignment, cameras, storage and people do to real pictures.

A `Wear` is one way in which a picture is bad, with its strength: the same for all faces of a group,
so that training sees strangers whose pictures are bad in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from align.alignment import TEMPLATE as CUSTOMARY
from align.alignment import similarity_transform
from training.network import SIZE

Chip = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]  # float64[K,2], x and y in pixels of the chip
Random = np.random.Generator
Wear = Callable[[Chip, Random], Chip]

# The published network's five points, of 96x112 pixels stretched to 128x128.
TEMPLATE: Points = np.array(
    [
        (30.2946, 51.6963),
        (65.5318, 51.5014),
        (48.0252, 71.7366),
        (33.5493, 92.3655),
        (62.7299, 92.2041),
    ]
) * (SIZE / 96, SIZE / 112)
MARGIN = 4  # of the stored chips around the customary 112x112 template
# How far two detectors' fits of the same face lie apart: degrees, logarithm, pixels.
ROTATION, LOG_SCALE, SHIFT = 3.0, 0.04, 1.6
# LFW's faces are about this much larger in a chip than in their picture.
PICTURE_SCALE = 1.15
FRACTION_BITS = 4  # of a corner's coordinates, for OpenCV


def from_stored() -> npt.NDArray[np.float64]:
    """float64[2,3]: from a stored 120x120 chip to the network's template."""
    return np.asarray(similarity_transform(CUSTOMARY + MARGIN, TEMPLATE), np.float64)


def upright(chip: Chip) -> Chip:
    """A stored chip in the network's alignment, unchanged: uint8[128,128,3] RGB."""
    return np.asarray(cv2.warpAffine(chip, from_stored(), (SIZE, SIZE)), np.uint8)


def move(chip: Chip, random: Random, strength: float = 1.0) -> Chip:
    """The same with an alignment that errs, a mirror image half of the time."""
    angle = np.deg2rad(random.normal(0, ROTATION * strength))
    scale = np.exp(random.normal(0, LOG_SCALE * strength))
    shift = random.normal(0, SHIFT * strength, 2)
    mirror = -1.0 if random.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    middle = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2])
    own = np.column_stack([linear, middle + shift - linear @ middle])
    whole = own[:, :2] @ from_stored()
    whole[:, 2] += own[:, 2]
    return np.asarray(cv2.warpAffine(chip, whole, (SIZE, SIZE)), np.uint8)


def lightly(chip: Chip, random: Random) -> Chip:
    """What happens to good pictures too: light, colour, a little blur and compression."""
    draws = random.random(4)
    if draws[0] < 0.3:
        chip = relight(chip, random)
    if draws[1] < 0.15:
        chip = grey(chip) if draws[1] < 0.05 else tint(chip, random)
    if draws[2] < 0.15:
        chip = blur(random.uniform(0.5, 1.5))(chip, random)
    if draws[3] < 0.15:
        chip = compress(int(random.integers(30, 90)))(chip, random)
    return chip


def draw_wear(random: Random) -> Wear:
    """A way to be bad and its strength."""
    return WEARS[int(random.choice(len(WEARS), p=SHARES))](random)


def blur(sigma: float) -> Wear:
    """Out of focus: Gaussian."""
    return lambda chip, _: np.asarray(cv2.GaussianBlur(chip, (0, 0), sigma), np.uint8)


def shake(chip: Chip, random: Random) -> Chip:
    """Motion: the mean along a straight way of 4 to 16 pixels in any direction."""
    reach, angle = random.uniform(2, 8), random.uniform(0, np.pi)
    middle = 8
    way = np.array([np.cos(angle), np.sin(angle)]) * reach
    first, last = fixed_point(middle + np.array([way, -way])).tolist()
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.uint8)
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, FRACTION_BITS)
    return np.asarray(cv2.filter2D(chip, -1, kernel / kernel.sum()), np.uint8)


def noise(sigma: float) -> Wear:
    """Gaussian noise at the scale of the picture, in grey levels."""

    def add(chip: Chip, random: Random) -> Chip:
        side = round(SIZE / PICTURE_SCALE)
        grains = random.standard_normal((side, side, 3), np.float32) * np.float32(sigma)
        enlarged = cv2.resize(grains, (SIZE, SIZE))
        return np.asarray(np.clip(chip + enlarged, 0, 255), np.uint8)

    return add


def darken(light: float, grain: float, linear: bool) -> Wear:
    """A share of the light, with noise; linear: of the pixel values, else of sRGB's light."""
    factor = light if linear else light ** (1 / 2.2)

    def dim(chip: Chip, random: Random) -> Chip:
        grains = random.standard_normal(chip.shape, np.float32) * np.float32(grain)
        return np.asarray(np.clip(chip * np.float32(factor) + grains, 0, 255), np.uint8)

    return dim


def brighten(gain: float) -> Wear:
    """Overexposed: values beyond 255 are lost."""
    return lambda chip, _: np.asarray(np.clip(chip * np.float32(gain) + 10, 0, 255), np.uint8)


def compress(quality: int, scale: float = PICTURE_SCALE) -> Wear:
    """JPEG, with blocks of 8 pixels of the picture."""

    def store(chip: Chip, _: Random) -> Chip:
        side = round(SIZE / scale)
        small = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
        return np.asarray(cv2.resize(decoded, (SIZE, SIZE)), np.uint8)

    return store


def shrink(side: int) -> Wear:
    """So few pixels that the chip had `side` of them in the picture."""

    def lose(chip: Chip, _: Random) -> Chip:
        small = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (SIZE, SIZE)), np.uint8)

    return lose


def turn(quarters: int) -> Wear:
    """By 90, 180 or 270 degrees, where the detector took the face for upright."""
    return lambda chip, _: np.ascontiguousarray(np.rot90(chip, quarters))


def relight(chip: Chip, random: Random) -> Chip:
    """Gamma, contrast and brightness."""
    levels = np.arange(256) / 255
    levels = levels ** np.exp(random.normal(0, 0.25)) * random.uniform(0.75, 1.25)
    table = np.clip((levels + random.normal(0, 0.05)) * 255, 0, 255)
    return np.asarray(cv2.LUT(chip, table.astype(np.uint8)), np.uint8)


def grey(chip: Chip) -> Chip:
    """Luminance in all three channels."""
    return np.repeat(np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, 2)


def tint(chip: Chip, random: Random) -> Chip:
    """White balance: each channel by up to 20 %."""
    gains = random.uniform(0.8, 1.2, 3).astype(np.float32)
    return np.asarray(np.clip(chip * gains, 0, 255), np.uint8)


@dataclass(frozen=True)
class Cover:
    """Hides a part of the face behind one colour that changes a little.

    outlines: float64[K,2] each, convex. colour: float64[3], grey levels.
    """

    outlines: Sequence[Points]
    colour: Points

    def __call__(self, chip: Chip, random: Random) -> Chip:
        drawn = np.zeros((SIZE, SIZE), np.float32)
        for outline in self.outlines:
            moved = outline + random.normal(0, 1.5, 2)
            cv2.fillConvexPoly(drawn, fixed_point(moved), 1.0, cv2.LINE_8, FRACTION_BITS)
        share = cv2.blur(drawn, (2, 2))
        knots = self.colour + random.normal(0, 8, (2, 2, 1))
        colours = cv2.resize(np.clip(knots, 0, 255).astype(np.uint8), (SIZE, SIZE))
        return np.asarray(cv2.blendLinear(colours, chip, share, 1 - share), np.uint8)


def fixed_point(points: Points) -> npt.NDArray[np.int32]:
    """Coordinates as OpenCV draws them, in parts of a pixel."""
    return np.asarray(np.rint(points * 2**FRACTION_BITS), np.int32)


def any_colour(random: Random) -> Points:
    """Black every third time."""
    return np.zeros(3) if random.random() < 0.33 else random.uniform(0, 255, 3)


def glasses(random: Random) -> Cover:
    """Two dark lenses, round to nearly square, and the bar between them."""
    half = random.uniform((14, 10), (28, 22))
    around = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    circle = np.column_stack([np.cos(around), np.sin(around)])
    lens = np.sign(circle) * np.abs(circle) ** random.uniform(0.4, 1.0) * half
    left, right = TEMPLATE[:2] + random.normal(0, 2, 2)
    thick = np.array([0.0, random.uniform(1, 6)])
    bar = np.array([left - thick, right - thick, right + thick, left + thick])
    return Cover([left + lens, right + lens, bar], np.full(3, random.uniform(0, 70)))


def mask(random: Random) -> Cover:
    """From somewhere on the nose to below the chin, from cheek to cheek."""
    nose = TEMPLATE[2]
    top, side = nose[1] - random.uniform(-5, 18), random.uniform(42, 66)
    low = top + random.uniform(0, 18)
    outline = np.array(
        [
            (nose[0], top),
            (nose[0] + side, low),
            (nose[0] + 0.8 * side, SIZE),
            (nose[0] - 0.8 * side, SIZE),
            (nose[0] - side, low),
        ]
    )
    return Cover([outline], any_colour(random))


def bar(random: Random) -> Cover:
    """A bar from side to side over the mouth or the eyes, or part of the way."""
    centre = TEMPLATE[3:].mean(0) if random.random() < 0.6 else TEMPLATE[:2].mean(0)
    half = np.array([random.uniform(30, 70), random.uniform(8, 20)])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return Cover([centre + corners * half], any_colour(random))


def border(random: Random) -> Cover:
    """Black beyond an edge of the picture, up to a quarter of the chip."""
    depth = random.uniform(4, SIZE / 4)
    edge = np.array([(-9.0, -9.0), (SIZE + 9.0, -9.0), (SIZE + 9.0, depth), (-9.0, depth)])
    middle = (SIZE - 1) / 2
    for _ in range(int(random.integers(4))):
        edge = np.column_stack([SIZE - 1 - edge[:, 1], edge[:, 0]])
    tilt = np.deg2rad(random.normal(0, 8))
    spin = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return Cover([(edge - middle) @ spin.T + middle], np.zeros(3))


WEARS: tuple[Callable[[Random], Wear], ...] = (
    lambda random: blur(2 * 3.5 ** random.random()),
    lambda random: noise(random.uniform(10, 60)),
    lambda random: darken(random.uniform(0.05, 0.3), random.uniform(0, 6), random.random() < 0.6),
    lambda random: brighten(random.uniform(1.5, 3)),
    lambda random: compress(int(random.integers(3, 20)), random.uniform(1, 2)),
    lambda random: shrink(int(random.integers(20, 60))),
    lambda _: shake,
    mask,
    bar,
    glasses,
    border,
)
SHARES = np.array([3, 3, 1.5, 0.5, 1.5, 1.5, 0.7, 1.5, 1.5, 1.5, 0.8])
SHARES = SHARES / SHARES.sum()
