"""The header of a JPEG, and whether its scans bring the whole picture.

Source: ITU-T T.81, annexes B and G. Markers are found as libjpeg finds them, so that a frame is
seen where the decoder sees it.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from align.errors import InvalidImage, UnsupportedFormat
from align.exif import PREFIX as EXIF_PREFIX
from align.exif import read_orientation
from align.types import Header
from align.xmp import JPEG_PREFIX as XMP_PREFIX
from align.xmp import read_xmp_orientation

JPEG_MAGIC = b"\xff\xd8\xff"
# A JPEG has some ten segments before its pixels and ten scans; more than this number is hostile.
MAX_SEGMENTS = 4096
# A progressive JPEG has about ten scans. Each costs a pass over all pixels, so many scans make a
# small file slow to decode.
MAX_SCANS = 32

START_OF_SCAN = 0xDA
START_OF_IMAGE = 0xD8
END_OF_IMAGE = 0xD9
NUMBER_OF_LINES = 0xDC  # DNL: the height, where the frame header leaves it open with 0
TEMPORARY = 0x01  # like restart markers, it has no length
# Whatever is not a marker is skipped: padding (FF), stuffed zeros (FF 00), stray bytes, and
# entropy-coded data with its restart markers (D0 to D7).
NEXT_MARKER = re.compile(b"\xff[^\x00\xd0-\xd7\xff]")
SEQUENTIAL_HUFFMAN = frozenset({0xC0, 0xC1})
PROGRESSIVE_HUFFMAN = 0xC2
FRAME_MARKERS = SEQUENTIAL_HUFFMAN | {PROGRESSIVE_HUFFMAN}
# SOF3 to SOF15 but for DHT (C4), JPG (C8) and DAC (CC): lossless, hierarchical, arithmetic-coded;
# DHP (DE), with which a hierarchical one begins; SOF55 (F7), JPEG-LS.
# No browser reads them, and an arithmetic decoder makes up what is missing, minutes of it.
RARE_FRAMES = (frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xDE, 0xF7}
APP1 = 0xE1
CHANNELS = frozenset({1, 3, 4})  # grey, YCbCr or RGB, CMYK or YCCK
ALL_COEFFICIENTS = (1 << 64) - 1


@dataclass(frozen=True)
class Frame:
    """A frame header: its marker, size in pixels, and the components' names."""

    marker: int
    width: int
    height: int
    components: tuple[int, ...]


@dataclass(frozen=True)
class Scan:
    """A scan header.

    Attributes:
        components: positions in the frame's `components`.
        coefficients: a bit for each of a block's 64 coefficients that the scan brings, DC lowest.
        refines: whether it only adds bits to coefficients that came before.
    """

    components: tuple[int, ...]
    coefficients: int
    refines: bool


def read_jpeg(data: bytes) -> Header:
    """Raises UnsupportedFormat, InvalidImage; struct.error or IndexError at the end of data."""
    exif: int | None = None
    xmp: int | None = None
    frame: Frame | None = None
    scans: list[Scan] = []
    pixels = end = 0
    for marker, start, end in _segments(data):
        if marker == NUMBER_OF_LINES and frame is not None and not frame.height:
            raise UnsupportedFormat(
                "a JPEG that gives its height after its first scan (DNL) is not supported"
            )
        if marker == START_OF_SCAN:
            if frame is None:
                raise InvalidImage("the JPEG has no frame header before its picture data")
            scans.append(_read_scan(data[start:end], frame))
            pixels = pixels or end
        elif scans:
            continue
        elif marker == APP1 and data.startswith(EXIF_PREFIX, start) and exif is None:
            exif = read_orientation(data[start:end])
        elif marker == APP1 and data.startswith(XMP_PREFIX, start) and xmp is None:
            xmp = read_xmp_orientation(data[start:end])
        elif marker in RARE_FRAMES:
            raise UnsupportedFormat(
                "a lossless, hierarchical or arithmetic-coded JPEG is not supported"
            )
        elif marker in FRAME_MARKERS and frame is None:
            frame = _read_frame(marker, data[start:end])
    if frame is None or not scans:
        raise InvalidImage("the JPEG has no picture data")
    _check_size(frame, end - pixels)
    _check_scans(frame, scans)
    unsure = _may_end_early(frame, scans)
    return Header("jpeg", frame.width, frame.height, exif or xmp or 1, unsure_end=unsure)


def jpeg_end(data: bytes) -> int:
    """Where the end marker of a JPEG stands; anything may follow it, a film or more pictures.

    Raises InvalidImage where there is none, and for too many scans.
    """
    *_, (_, start, _) = _segments(data)
    return start


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's payload; the last is the end marker, at `start`."""
    position = 2
    scans = 0
    for _ in range(MAX_SEGMENTS):
        found = NEXT_MARKER.search(data, position)
        if found is None:
            raise InvalidImage("the JPEG is cut short: it has no end marker")
        marker, position = data[found.end() - 1], found.end()
        if marker == END_OF_IMAGE:
            yield marker, found.start(), found.start()
            return
        if marker == START_OF_IMAGE:
            raise InvalidImage("the JPEG is damaged: it has a second start marker before its end")
        if marker == TEMPORARY:
            continue
        scans += marker == START_OF_SCAN
        if scans > MAX_SCANS:
            raise InvalidImage("the JPEG has too many scans")
        (length,) = struct.unpack_from(">H", data, position)
        # A length counts itself. libjpeg takes one of 0 or 1 for an empty comment.
        end = position + max(length, 2)
        if end > len(data):
            raise InvalidImage("the JPEG is cut short: it ends inside a segment")
        yield marker, position + 2, end
        position = end
    raise InvalidImage("the JPEG has too many segments")


def _read_frame(marker: int, payload: bytes) -> Frame:
    precision, height, width, channels = struct.unpack_from(">BHHB", payload)
    components = tuple(payload[6::3])
    if len(payload) != 6 + 3 * channels:
        raise InvalidImage("the JPEG's frame header does not have the length that it gives")
    if precision == 12:
        raise UnsupportedFormat("a JPEG with 12 bits per sample is not supported; save it with 8")
    if channels not in CHANNELS:
        raise UnsupportedFormat(
            f"a JPEG with {channels} channels is not supported; save it as grey or RGB"
        )
    return Frame(marker, width, height, components)


def _read_scan(payload: bytes, frame: Frame) -> Scan:
    count = payload[0]
    names = payload[1 : 1 + 2 * count : 2]
    if len(payload) != 4 + 2 * count or not set(names) <= set(frame.components):
        raise InvalidImage("the JPEG is damaged: a scan header contradicts its frame header")
    first, last, bits = payload[-3:]
    components = tuple(frame.components.index(name) for name in names)
    if frame.marker in SEQUENTIAL_HUFFMAN:
        return Scan(components, ALL_COEFFICIENTS, refines=False)
    coefficients = (2 << min(last, 63)) - (1 << min(first, 63))
    return Scan(components, max(coefficients, 0), refines=bits >> 4 != 0)


def _check_size(frame: Frame, size: int) -> None:
    """Refuse entropy-coded data of `size` bytes that cannot hold the frame's picture."""
    # Each 8x8 block of a sequential JPEG takes a code for DC and one for AC of at least one bit.
    # The first component alone has this many blocks, whatever the subsampling of the others.
    blocks = -(-frame.width // 8) * -(-frame.height // 8)
    if frame.marker in SEQUENTIAL_HUFFMAN and size * 8 < blocks * 2:
        raise InvalidImage("the JPEG is cut short: it has too little data for its size")


def _check_scans(frame: Frame, scans: Sequence[Scan]) -> None:
    """Refuse a picture to which whole scans are lost, but for those that refine others.

    The decoder takes what never came for zero: blocks of one colour, or a picture without colour.
    """
    came = [0] * len(frame.components)
    for scan in scans:
        for component in scan.components:
            came[component] |= 0 if scan.refines else scan.coefficients
    if any(each != ALL_COEFFICIENTS for each in came):
        raise InvalidImage("the JPEG is cut short: scans of its picture are missing")


def _may_end_early(frame: Frame, scans: Sequence[Scan]) -> bool:
    """Whether the last scan is one that the picture needs, which then has to be there whole.

    That is the first component alone, which carries the picture's detail; and progressive, as the
    data of a sequential one ends with the picture's last corner, which tells.
    """
    last = scans[-1]
    progressive = frame.marker == PROGRESSIVE_HUFFMAN
    return progressive and not last.refines and last.components == (0,)
