"""HEIC pictures that take a decoder long: much detail in many pixels, in many bits, or in both."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from fixtures.heic_files import encode as heif_enc
from fixtures.heic_files import picture_of, tiled
from fixtures.hostile_pictures import encode

TILE = 512


def noise(deep: bool = False) -> bytes:
    """A tile in which nothing can be predicted, as PNG."""
    pixels = np.random.default_rng(0).integers(0, 256, (TILE, TILE, 3), dtype=np.uint8)
    return encode("png", pixels.astype(np.uint16) * 257 if deep else pixels)


def encode_tiled(width: int, height: int, *options: str, deep: bool = False) -> bytes:
    """A picture of such tiles; the bits of each are decoded anew."""
    tile = picture_of(heif_enc(noise(deep), *options))
    return tiled(tile, -(-height // TILE), -(-width // TILE), width, height)


SLOW_HEIC: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "heic at the limit, 16 MB": partial(encode_tiled, 8000, 5000, "-q", "30"),
        "heic at the limit, 20 MB": partial(encode_tiled, 8000, 5000, "-q", "36"),
        "heic at the limit, 18 MB, full colour": partial(
            encode_tiled, 8000, 5000, "-q", "31", "-p", "chroma=444"
        ),
        "heic at the limit of 10 bits": partial(encode_tiled, 5000, 4000, "-q", "40", deep=True),
        "heic of few pixels and many bytes": partial(
            encode_tiled, 2000, 1500, "-q", "100", "-p", "chroma=444"
        ),
        "heic of 12 megapixels, 6 MB": partial(encode_tiled, 4032, 3024, "-q", "36"),
    }
)
