"""Pictures for the benches of batches: small, all different, some without a face, some broken."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent.parent / "events" / "pictures"
PEOPLE = ("eileen_collins", "grace_hopper", "eileen_collins_second", "two_people")
SIDE = 200
BROKEN = (b"", b"hello, I am a text\n", b"\xff\xd8\xff\xe0 cut short", b"GIF89a no")


def make_pictures(count: int, side: int = SIDE, seed: int = 4) -> dict[str, bytes]:
    """`count` objects by key: 92 % with one or two faces, 5 % with none, 3 % not pictures.

    Args:
        side: Longer side of the pictures in pixels.
    """
    return {key_of(number): make_picture(number, side, seed) for number in range(count)}


def key_of(number: int) -> str:
    """A key with what keys may have: folders, spaces, plus signs, letters of other languages."""
    folders = ("plain", "two words", "a+b", "Zürich & 日本", "100%25")
    return f"{folders[number % len(folders)]}/picture {number:06}.jpg"


def make_picture(number: int, side: int, seed: int) -> bytes:
    rng = np.random.default_rng((seed, number))
    kind = number % 100
    if kind < 3:
        return BROKEN[(number // 100 + kind) % len(BROKEN)] + b"%d" % number
    name = "no_face" if kind < 8 else PEOPLE[number % len(PEOPLE)]
    return encode(vary(scaled(name, side), rng))


def scaled(name: str, side: int) -> NDArray[np.uint8]:
    """A picture of events/, BGR, its longer side made `side` pixels."""
    pixels = cv2.imread(str(FOLDER / f"{name}.jpg"))
    if pixels is None:
        raise FileNotFoundError(FOLDER / f"{name}.jpg")
    scale = side / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def vary(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another brightness and a little noise: the same faces in other bytes."""
    noise = rng.normal(0, 3, pixels.shape)
    changed = pixels * rng.uniform(0.8, 1.1) + noise
    return np.clip(changed, 0, 255).astype(np.uint8)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise ValueError("OpenCV could not write a JPEG")
    return bytes(data)
