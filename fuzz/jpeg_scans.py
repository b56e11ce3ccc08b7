"""A JPEG taken apart at its markers, to leave out scans or put bytes between segments."""

import struct
from collections.abc import Iterable

from align.jpeg import END_OF_IMAGE, NEXT_MARKER, START_OF_SCAN

END = bytes((0xFF, END_OF_IMAGE))


def take_apart(data: bytes) -> list[bytes]:
    """The segments of a JPEG without its first and last marker; a scan has its data with it."""
    segments = []
    position = 2
    while data[position + 1] != END_OF_IMAGE:
        (length,) = struct.unpack_from(">H", data, position + 2)
        found = NEXT_MARKER.search(data, position + 2 + length)
        assert found is not None
        segments.append(data[position : found.start()])
        position = found.start()
    return segments


def put_together(segments: Iterable[bytes], between: bytes = b"") -> bytes:
    """A JPEG of these segments, with the same bytes before each but the first."""
    return b"\xff\xd8" + between.join(segments) + END


def is_scan(segment: bytes) -> bool:
    """Whether the segment is a scan header with its entropy-coded data."""
    return segment[1] == START_OF_SCAN


def refines(scan: bytes) -> bool:
    """Whether a progressive scan only adds bits to coefficients of earlier ones."""
    return scan[7 + 2 * scan[4]] >> 4 != 0


def with_scans(data: bytes, kept: Iterable[int]) -> bytes:
    """A JPEG with the scans of these numbers, counted from 0, and no other."""
    scans = scans_of(data)
    wanted = {scans[number] for number in kept}
    segments = take_apart(data)
    return put_together(each for each in segments if each in wanted or not is_scan(each))


def scans_of(data: bytes) -> list[bytes]:
    """Its scans, in order."""
    return list(filter(is_scan, take_apart(data)))
