"""Two photographs as large as a phone's: one person, once as JPEG and once as HEIC."""

import re
from pathlib import Path

import cv2
import numpy as np

import align
from fixtures.heic_files import encode, has_encoder

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "events" / "pictures"
MEGABYTES = 6


def missing() -> str | None:
    """What keeps a HEIC of this size from being made or read here."""
    if not align.can_decode_heic():
        return "needs pi-heif"
    return None if has_encoder() else "needs heif-enc: Debian's libheif-examples"


def grainy(name: str, side: int) -> np.ndarray:
    """A portrait enlarged, with the grain that makes a photograph's file large."""
    small = cv2.imread(str(PICTURES / f"{name}.jpg"))
    scale = side / max(small.shape[:2])
    large = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 12, large.shape)
    return np.clip(large + grain, 0, 255).astype(np.uint8)


def jpeg() -> bytes:
    """Eileen Collins as JPEG."""
    pixels = grainy("eileen_collins", 3000)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes()


def heic() -> bytes:
    """Her second view as HEIC; heif-enc takes some seconds."""
    pixels = grainy("eileen_collins_second", 2600)
    png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    return encode(png, "-q", "93", "-p", "preset=ultrafast")


def code_of(language: str, number: int = 0) -> str:
    """A block of code of docs/uploads.md."""
    text = (ROOT / "docs/uploads.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]
