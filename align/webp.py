"""The header of a WebP, read from its RIFF chunks. Source: RFC 9649."""

import struct
from collections.abc import Iterator

from align.errors import InvalidImage, UnsupportedFormat
from align.exif import read_orientation
from align.types import Header
from align.xmp import read_xmp_orientation

MAX_CHUNKS = 4096
FIRST_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L"})


def read_webp(data: bytes) -> Header:
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if riff_bytes + 8 > len(data):
        raise InvalidImage("the WebP is cut short: it is smaller than its header says")
    sizes: list[tuple[int, int]] = []
    exif: int | None = None
    xmp: int | None = None
    alpha, lossless = False, False
    for kind, start, end in _webp_chunks(data, riff_bytes + 8):
        if kind == b"VP8X":
            flags = data[start]
            if flags & 0x02:
                raise UnsupportedFormat("animated WebP is not supported; send a still picture")
            alpha |= bool(flags & 0x10)
            sizes.append((1 + _uint24(data, start + 4), 1 + _uint24(data, start + 7)))
        elif kind == b"VP8 ":
            sizes.append(_vp8_size(data, start))
        elif kind == b"VP8L":
            width, height, transparent = _vp8l_size(data, start)
            alpha |= transparent
            lossless = True
            sizes.append((width, height))
        elif kind == b"ALPH":
            # Its two lowest bits say how it is packed; all but 0 is a lossless picture of its own.
            lossless |= start < end and data[start] & 3 != 0
        elif kind == b"EXIF":
            exif = read_orientation(data[start:end])
        elif kind == b"XMP ":
            xmp = read_xmp_orientation(data[start:end])
    if len(set(sizes)) != 1:
        raise InvalidImage("the WebP has no picture, or sizes that contradict each other")
    return Header("webp", *sizes[0], exif or xmp or 1, alpha, lossless=lossless)


def _webp_chunks(data: bytes, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's payload inside the RIFF container."""
    position = 12
    for _ in range(MAX_CHUNKS):
        if position + 8 > limit:
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, position + 8 + length
        # The decoder would take anything else for a bare picture.
        if position == 12 and kind not in FIRST_CHUNKS:
            raise InvalidImage("the WebP does not start with its picture or its header chunk")
        if end > limit:
            raise InvalidImage("the WebP is cut short: it ends inside a chunk")
        yield kind, start, end
        position = end + (length & 1)
    raise InvalidImage("the WebP has too many chunks")


def _uint24(data: bytes, offset: int) -> int:
    return data[offset] | data[offset + 1] << 8 | data[offset + 2] << 16


def _vp8_size(data: bytes, start: int) -> tuple[int, int]:
    if data[start + 3 : start + 6] != b"\x9d\x01\x2a":
        raise InvalidImage("the WebP's lossy picture has no start code")
    width, height = struct.unpack_from("<HH", data, start + 6)
    # The two upper bits of each are a scaling hint for display.
    return width & 0x3FFF, height & 0x3FFF


def _vp8l_size(data: bytes, start: int) -> tuple[int, int, bool]:
    if data[start] != 0x2F:
        raise InvalidImage("the WebP's lossless picture has no signature")
    (bits,) = struct.unpack_from("<I", data, start + 1)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
