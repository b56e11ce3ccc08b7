"""The one EXIF tag that matters here: orientation.

Only the first directory is read, by offset and with every read bounded, so that a directory that
points at itself, or at nothing, costs one read. Layout: TIFF 6.0, section 2; tag 274 (0x0112).
"""

import struct

ORIENTATION_TAG = 0x0112
# TIFF 6.0, section 2: readers take BYTE, SHORT or LONG for any unsigned number. A value of up to
# four bytes stands in the entry itself, at its beginning in either byte order.
FORMATS = {1: "B", 3: "H", 4: "I"}
VALUE = 8  # bytes into an entry
ENTRY_BYTES = 12
PREFIX = b"Exif\x00\x00"


def read_orientation(block: bytes) -> int | None:
    """EXIF orientation 1..8 of an EXIF block, with or without its "Exif" prefix; None without one.

    A value out of range counts as 1, a damaged block as one without: a picture with a broken EXIF
    block is still a picture, and every viewer shows it as stored.
    """
    tiff = block.removeprefix(PREFIX)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return None
    try:
        return _search_directory(tiff, order)
    except struct.error:
        return None


def _search_directory(tiff: bytes, order: str) -> int | None:
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for index in range(entries):
        offset = start + 2 + index * ENTRY_BYTES
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, offset)
        if tag == ORIENTATION_TAG and kind in FORMATS and count == 1:
            (value,) = struct.unpack_from(order + FORMATS[kind], tiff, offset + VALUE)
            return int(value) if 1 <= value <= 8 else 1
    return None
