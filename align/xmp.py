"""The one XMP property that matters here: orientation, of a file whose EXIF has none.

Editors that keep no EXIF write `tiff:Orientation` alone. Pillow's `exif_transpose` and Apple's
Preview turn such a picture. Source: XMP part 2, 3.3; the packets' places: part 3, 2.1.3 (JPEG) and
2.1.5 (PNG), and RFC 9649, 2.7.1.5 (WebP).
"""

import re

JPEG_PREFIX = b"http://ns.adobe.com/xap/1.0/\x00"
# Keyword, no compression, no language, no translated keyword: XMP must not be compressed.
PNG_PREFIX = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00"
# As an attribute or as an element, under the prefix that XMP reserves.
ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")


def read_xmp_orientation(packet: bytes) -> int:
    """Orientation 1..8 of an XMP packet; 1 where it has none, or none that is valid."""
    found = ORIENTATION.search(packet)
    return int(found[1]) if found else 1
