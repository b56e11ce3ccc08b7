"""The pictures that every contender sees: made from the two public-domain portraits in the repo."""

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
PORTRAITS = ROOT / "events" / "pictures"
Pixels = npt.NDArray[np.uint8]

# (centre x, centre y, height) as shares of a 1920x1080 frame: two rows of a group photograph.
_GROUP = [(0.10 + 0.2 * column, 0.27 + 0.46 * row, 0.34) for row in range(2) for column in range(5)]


def portrait(name: str) -> Pixels:
    """A portrait of events/pictures, in OpenCV's BGR order."""
    pixels = cv2.imread(str(PORTRAITS / f"{name}.jpg"), cv2.IMREAD_COLOR)
    if pixels is None:
        raise FileNotFoundError(PORTRAITS / f"{name}.jpg")
    return np.asarray(pixels, np.uint8)


def square(pixels: Pixels, side: int) -> Pixels:
    """The upper square of the picture (where a portrait has its face), scaled to `side`."""
    edge = min(pixels.shape[:2])
    left = (pixels.shape[1] - edge) // 2
    interpolation = cv2.INTER_AREA if side < edge else cv2.INTER_CUBIC
    square = pixels[:edge, left : left + edge]
    return np.asarray(cv2.resize(square, (side, side), interpolation=interpolation), np.uint8)


def _background(width: int, height: int) -> Pixels:
    """Blurred noise: texture enough to keep P-Net honest, no faces in it."""
    noise = np.random.default_rng(7).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def group_picture(faces: int = 10) -> Pixels:
    """1920x1080 with `faces` faces, ten at most."""
    frame = _background(1920, 1080)
    people = [portrait("eileen_collins"), portrait("grace_hopper")]
    for index, (centre_x, centre_y, share) in enumerate(_GROUP[:faces]):
        side = int(share * 1080)
        left, top = int(centre_x * 1920 - side / 2), int(centre_y * 1080 - side / 2)
        frame[top : top + side, left : left + side] = square(people[index % 2], side)
    return frame


def jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """The picture as a JPEG file."""
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def write_pictures(folder: Path) -> dict[str, list[str]]:
    """Write every scenario's JPEG files into `folder` and return {scenario: file names}."""
    folder.mkdir(parents=True, exist_ok=True)
    eileen, grace = portrait("eileen_collins"), portrait("grace_hopper")
    pictures = {
        "a250.jpg": square(eileen, 250),
        "b250.jpg": square(grace, 250),
        "a3000.jpg": square(eileen, 3000),
        "group1080.jpg": group_picture(),
    }
    for name, pixels in pictures.items():
        (folder / name).write_bytes(jpeg(pixels))
    scenarios = {
        "compare": ["a250.jpg", "b250.jpg"],
        "detect": ["a3000.jpg"],
        "group": ["group1080.jpg"],
        "chips": ["a250.jpg", "b250.jpg"],
    }
    (folder / "scenarios.json").write_text(json.dumps(scenarios))
    return scenarios
