"""Pictures for the tests of align: drawn and encoded in many ways, and photographs."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import align

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def scene() -> Pixels:
    """uint8[48,64,3] RGB, smooth enough for lossy formats, with four different corners."""
    down, across = np.mgrid[0:48, 0:64].astype(np.float32)
    red, green, blue = across * 4 - 2, down * 5, 255 - across * 2 - down * 2
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode(pixels, "png", mode="LA", **options)`: a picture as Pillow writes it."""

    def encode_picture(
        pixels: npt.NDArray[Any], kind: str, mode: str | None = None, **options: Any
    ) -> bytes:
        image = Image.fromarray(pixels)
        buffer = io.BytesIO()
        (image.convert(mode) if mode else image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode_picture


@pytest.fixture(scope="session")
def photographs(root: Path) -> Path:
    return root / "events" / "pictures"


@pytest.fixture(scope="session")
def collins(photographs: Path) -> align.Picture:
    """Eileen Collins, 512x512, one face."""
    return align.decode((photographs / "eileen_collins.jpg").read_bytes())


@pytest.fixture(scope="session")
def fast() -> align.Detector:
    return align.Detector.load("fast")


@pytest.fixture(scope="session")
def exact() -> align.Detector:
    return align.Detector.load("exact")
