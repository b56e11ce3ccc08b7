"""A lossless WebP stream (RFC 9649) with as many groups of prefix codes as the format allows.

A decoder makes tables for each group, and there may be one for every 4x4 pixels: what they cost in
memory and time has nothing to do with the size of the file, and little with that of the picture.
"""

from collections.abc import Iterable, Iterator

import numpy as np

SIDE = 1024  # pixels
GROUPS = (SIDE // 4) ** 2
# A prefix code of one symbol, 0: simple, one symbol, which has one bit.
ONE_SYMBOL = (1, 0, 0, 0)
CODES = 5  # of a group: green, red, blue, alpha, distance
# The order in which the lengths of the code of code lengths are written, up to 8.
LENGTHS_UP_TO_8 = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8)


def stream_of_many_codes() -> bytes:
    """SIDE x SIDE black pixels behind GROUPS groups of codes, without the header of five bytes."""
    numbers = np.arange(GROUPS, dtype=np.uint32)
    # A block's green and red tell its group. Codes are written from their first bit on.
    groups = np.unpackbits(np.stack([numbers & 255, numbers >> 8], axis=1).astype(np.uint8))
    bits = [
        # No transform, no colour cache; groups by blocks of 4 pixels.
        *(0, 0, 1, 0, 0, 0),
        # The picture of blocks: no colour cache either.
        0,
        *bytes_as_they_are(symbols=256 + 24),
        *bytes_as_they_are(symbols=256),
        *ONE_SYMBOL * 3,
        *groups.tolist(),
        *ONE_SYMBOL * (CODES * GROUPS),
    ]
    return np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()


def bytes_as_they_are(symbols: int) -> Iterator[int]:
    """A prefix code in which each of the first 256 symbols has 8 bits, and no other has any."""
    yield 0  # not a simple code
    yield from number(len(LENGTHS_UP_TO_8) - 4, 4)
    for symbol in LENGTHS_UP_TO_8:  # "length 8" is the bit 0, "many times 0" the bit 1
        yield from number(int(symbol in (8, 18)), 3)
    yield 0  # lengths of all symbols follow
    yield from (0,) * 256
    if symbols > 256:
        yield 1
        yield from number(symbols - 256 - 11, 7)


def number(value: int, bits: int) -> Iterable[int]:
    """`value` from its lowest bit on."""
    return ((value >> bit) & 1 for bit in range(bits))
