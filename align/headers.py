"""What a JPEG, PNG or WebP file says about itself, read from its bytes without a decoder.

Formats are told by their first bytes, never by a name. The readers walk marker and chunk lengths
only; every walk is bounded. They also refuse what decoders like to accept in silence: files that
end before their picture does, and animations (which have no one picture to verify).
"""

import struct
from collections.abc import Callable

from align.errors import InvalidImage, UnsupportedFormat
from align.jpeg import JPEG_MAGIC, read_jpeg
from align.png import PNG_MAGIC, read_png
from align.types import Header
from align.webp import read_webp


def read_header(data: bytes) -> Header:
    """Format, stored size and orientation of an encoded picture; nothing is decoded.

    Raises:
        UnsupportedFormat: not a JPEG, PNG or WebP, an animation, or a kind of these that no
            browser reads.
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
    raise UnsupportedFormat("not a JPEG, PNG or WebP picture")
