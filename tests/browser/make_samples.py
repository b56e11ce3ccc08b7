"""Writes handler/http/static/samples: small copies of events/pictures for the page to offer.

python -m tests.browser.make_samples
"""

from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "events" / "pictures"
SAMPLES = ROOT / "handler" / "http" / "static" / "samples"
NAMES = ("eileen_collins", "eileen_collins_second", "grace_hopper", "two_people", "no_face")
MAX_BYTES = 40_000
# Tried in turn: share of the side, JPEG quality.
ATTEMPTS = ((1.0, 85), (1.0, 80), (0.85, 85), (0.85, 80), (0.7, 85), (0.7, 80))


def shrink(data: bytes) -> bytes:
    """A JPEG of at most MAX_BYTES: the same bytes where they fit, else the first attempt to fit."""
    if len(data) <= MAX_BYTES:
        return data
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    for share, quality in ATTEMPTS:
        scaled = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", scaled, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= MAX_BYTES:
            return encoded
    raise SystemExit(f"none of {ATTEMPTS} makes the picture fit {MAX_BYTES} bytes")


def main() -> None:
    SAMPLES.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        data = shrink((PICTURES / f"{name}.jpg").read_bytes())
        (SAMPLES / f"{name}.jpg").write_bytes(data)
        print(f"{name}.jpg {len(data):,} bytes")


if __name__ == "__main__":
    main()
