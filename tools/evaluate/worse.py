"""Pictures made worse: smaller, blurred, darker, noisier, covered or turned."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

import align
from align.alignment import TEMPLATE, similarity_transform

Pixels = npt.NDArray[np.uint8]
Worsen = Callable[[Pixels, align.Face], Pixels]  # uint8[H,W,3] RGB -> the same, any size
# In the coordinates of the 112x112 alignment template. The mask covers from the bridge of the nose
# to below the chin and from cheek to cheek.
MASK = ((14, 66), (56, 60), (98, 66), (94, 100), (76, 126), (36, 126), (18, 100))
MASK_COLOUR = (150, 180, 205)
LENS = (17, 13)  # half the width and height of a dark lens over each eye
LENS_COLOUR = (15, 15, 18)
BAR = ((30, 84), (82, 84), (82, 101), (30, 101))  # over the mouth
BAR_COLOUR = (20, 20, 20)


def shrunk_to(width: float) -> Worsen:
    """The picture at the scale at which the face's box is `width` pixels wide, if that is less."""

    def shrink(pixels: Pixels, face: align.Face) -> Pixels:
        factor = min(width / face.width, 1.0)
        size = [max(round(side * factor), 1) for side in pixels.shape[1::-1]]
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

    return shrink


def blurred(pixels: Pixels, face: align.Face) -> Pixels:
    """Gaussian, a twentieth of the face's width."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), face.width / 20), np.uint8)


def compressed(quality: int) -> Worsen:
    """JPEG of that quality, 1 to 100."""

    def compress(pixels: Pixels, _: align.Face) -> Pixels:
        encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)

    return compress


def noisy(pixels: Pixels, _: align.Face) -> Pixels:
    """Gaussian noise of 40 grey levels."""
    return np.asarray(np.clip(pixels + noise_of(pixels, 40), 0, 255), np.uint8)


def noise_of(pixels: Pixels, deviation: float) -> npt.NDArray[np.float64]:
    """Gaussian noise in the picture's shape; always the same, but another for another picture."""
    random = np.random.default_rng(zlib.crc32(pixels.tobytes()))
    return random.normal(0, deviation, pixels.shape)


def dim(pixels: Pixels, _: align.Face) -> Pixels:
    """Grey levels times 0.15."""
    return np.asarray(pixels * 0.15, np.uint8)


def darkened(pixels: Pixels, _: align.Face) -> Pixels:
    """A tenth of the light (sRGB's gamma taken as 2.2), with noise of 6 grey levels."""
    return np.asarray(np.clip(pixels * 0.1 ** (1 / 2.2) + noise_of(pixels, 6), 0, 255), np.uint8)


def without_colour(pixels: Pixels, _: align.Face) -> Pixels:
    """Luma in all three channels."""
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2).astype(np.uint8)


def tilted(pixels: Pixels, face: align.Face) -> Pixels:
    """Turned by 30 degrees about the face."""
    left, top, right, bottom = face.box
    matrix = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), 30, 1)
    return np.asarray(cv2.warpAffine(pixels, matrix, pixels.shape[1::-1]), np.uint8)


def masked(pixels: Pixels, face: align.Face) -> Pixels:
    """Nose, mouth and chin behind one pale blue surface."""
    out = pixels.copy()
    corners = from_template(np.array(MASK, np.float64), face)
    cv2.fillConvexPoly(out, np.rint(corners).astype(np.int32), MASK_COLOUR, cv2.LINE_AA)
    return out


def barred(pixels: Pixels, face: align.Face) -> Pixels:
    """A dark bar over the mouth."""
    out = pixels.copy()
    corners = from_template(np.array(BAR, np.float64), face)
    cv2.fillConvexPoly(out, np.rint(corners).astype(np.int32), BAR_COLOUR, cv2.LINE_AA)
    return out


def upside_down(pixels: Pixels, _: align.Face) -> Pixels:
    """Turned by 180 degrees; a face that is found all the same is taken for an upright one."""
    return np.ascontiguousarray(pixels[::-1, ::-1])


def in_sunglasses(pixels: Pixels, face: align.Face) -> Pixels:
    """A dark ellipse over each eye."""
    out = pixels.copy()
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.column_stack([np.cos(around), np.sin(around)]) * LENS
    for eye in TEMPLATE[:2]:
        corners = from_template(outline + eye, face)
        cv2.fillConvexPoly(out, np.rint(corners).astype(np.int32), LENS_COLOUR, cv2.LINE_AA)
    return out


def from_template(points: npt.NDArray[np.float64], face: align.Face) -> npt.NDArray[np.float64]:
    """Where points of the alignment template, float64[K,2], lie in the picture of a face."""
    matrix = similarity_transform(TEMPLATE, face.landmarks)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


CONDITIONS: Mapping[str, Worsen] = {
    "face 40 pixels wide": shrunk_to(40),
    "face 24 pixels wide": shrunk_to(24),
    "blurred by a twentieth of the face": blurred,
    "JPEG of quality 10": compressed(10),
    "JPEG of quality 5": compressed(5),
    "noise of 40 grey levels": noisy,
    "0.15 of the light": dim,
    "a tenth of the light, noise": darkened,
    "no colour": without_colour,
    "tilted by 30 degrees": tilted,
    "drawn mask over nose and mouth": masked,
    "drawn sunglasses": in_sunglasses,
    "drawn bar over the mouth": barred,
    "turned by 180 degrees": upside_down,
}
