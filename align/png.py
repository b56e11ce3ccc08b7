"""The header of a PNG, read from its chunks. Source: PNG third edition, sections 5 and 11."""

import itertools
import struct
from collections.abc import Iterator

from align.errors import InvalidImage, UnsupportedFormat
from align.exif import read_orientation
from align.types import Header
from align.xmp import PNG_PREFIX as XMP_PREFIX
from align.xmp import read_xmp_orientation

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# A PNG has one chunk per 8 KB; more than this number is hostile.
MAX_CHUNKS = 65536
# Each may unpack to megabytes, which the decoder does before the first pixel.
PACKED_CHUNKS = frozenset({b"zTXt", b"iTXt", b"iCCP"})
MAX_PACKED_CHUNKS = 32


def read_png(data: bytes) -> Header:
    width, height, depth, colour_type = _png_size(data)
    exif: int | None = None
    xmp: int | None = None
    alpha, packed, kinds = colour_type in (4, 6), 0, set()
    for kind, start, end in _png_chunks(data):
        if kind == b"acTL":
            raise UnsupportedFormat("animated PNG is not supported; send a still picture")
        if kind == b"eXIf":
            exif = read_orientation(data[start:end])
        if kind == b"iTXt" and data.startswith(XMP_PREFIX, start):
            xmp = read_xmp_orientation(data[start:end])
        alpha |= kind == b"tRNS"
        packed += kind in PACKED_CHUNKS
        kinds.add(kind)
    if packed > MAX_PACKED_CHUNKS:
        raise InvalidImage("the PNG has too many compressed texts")
    if b"IEND" not in kinds:
        raise InvalidImage("the PNG is cut short: it has no end chunk")
    # OpenCV would look for them beyond the end, and make room for whatever length stands there.
    if b"IDAT" not in kinds:
        raise InvalidImage("the PNG has no pixels")
    return Header("png", width, height, exif or xmp or 1, alpha, depth=max(depth, 8))


def transparent_grey(data: bytes) -> int | None:
    """The one grey of a grey PNG (PNG 1.2, 4.2.1.1, tRNS) that stands for transparent, if any.

    It counts as decoded pixels do: fewer than 8 bits are scaled to 8.
    """
    if not data.startswith(PNG_MAGIC):
        return None
    # Behind the pixels it is out of place, and decoders leave it alone.
    before = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", _png_chunks(data))
    key = next((data[start:end] for kind, start, end in before if kind == b"tRNS"), b"")
    if len(key) != 2:
        return None
    _, _, depth, _ = _png_size(data)
    return int.from_bytes(key, "big") * (255 // ((1 << depth) - 1) if depth < 8 else 1)


def _png_size(data: bytes) -> tuple[int, int, int, int]:
    length, kind = struct.unpack_from(">I4s", data, len(PNG_MAGIC))
    if kind == b"CgBI":
        raise UnsupportedFormat(
            "a PNG that Xcode optimized for iOS is not supported; send the original"
        )
    if kind != b"IHDR" or length != 13:
        raise InvalidImage("the PNG does not start with its header chunk")
    width, height, depth, colour_type = struct.unpack_from(">IIBB", data, len(PNG_MAGIC) + 8)
    return width, height, depth, colour_type


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's payload, up to and including IEND."""
    position = len(PNG_MAGIC)
    for _ in range(MAX_CHUNKS):
        if position == len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            raise InvalidImage("the PNG is cut short: it ends inside a chunk")
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise InvalidImage("the PNG has too many chunks")
