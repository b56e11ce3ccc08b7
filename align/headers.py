"""What a JPEG, PNG, WebP or HEIC file says about itself, read from its bytes without a decoder.

Formats are told by their first bytes, never by a name. The readers walk marker and chunk lengths
only; every walk is bounded. They also refuse what decoders silently accept: files that
end before their picture does, and animations (which have no one picture to verify).
"""

import struct
from collections.abc import Callable

from align.errors import InvalidImage, UnsupportedFormat
from align.jpeg import JPEG_MAGIC, read_jpeg
from align.png import PNG_MAGIC, read_png
from align.types import Header
from align.webp import read_webp

# Brands of still HEVC pictures (ISO/IEC 23008-12, annex B); `mif1` alone says nothing of HEVC.
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
MAX_BRANDS = 32


def read_header(data: bytes) -> Header:
    """Format, stored size and orientation of an encoded picture; nothing is decoded.

    Raises:
        UnsupportedFormat: not a JPEG, PNG, WebP or HEIC, an animation, or a kind of these that
            no browser and no phone reads.
        InvalidImage: one of these, but cut short or inconsistent.
    """
    reader = _reader(data)
    try:
        header = reader(data)
    except (struct.error, IndexError):
        raise InvalidImage("the picture ends inside its header") from None
    if header.width < 1 or header.height < 1:
        raise InvalidImage(f"the {header.format} header gives a size of zero")
    return header


def _reader(data: bytes) -> Callable[[bytes], Header]:
    if data.startswith(JPEG_MAGIC):
        return read_jpeg
    if data.startswith(PNG_MAGIC):
        return read_png
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp
    if is_heic(data):
        from align.heic import read_heic  # imported with the first HEIC

        return read_heic
    raise UnsupportedFormat("not a JPEG, PNG or WebP picture")


def is_heic(data: bytes) -> bool:
    """Whether the first bytes name HEIC, as the main brand or a compatible one."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 8 + 4 * MAX_BRANDS)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
    return bool(brands & HEIC_BRANDS)
