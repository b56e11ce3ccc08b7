"""What a JPEG, PNG or WebP file says about itself, read from its bytes without a decoder.

Formats are told by their first bytes, never by a name. The readers walk marker and chunk lengths
only; every walk is bounded. They also refuse what decoders like to accept in silence: files that
end before their picture does, and animations (which have no one picture to verify).

Sources: ITU-T T.81 annex B (JPEG), PNG third edition sections 5 and 11, RFC 9649 (WebP).
"""

import itertools
import re
import struct
from collections.abc import Callable, Iterator

from align.errors import InvalidImage, UnsupportedFormat
from align.exif import PREFIX as EXIF_PREFIX
from align.exif import read_orientation
from align.types import Header

JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# A JPEG has some ten segments before its pixels, a PNG one chunk per 8 KB: beyond these, hostile.
MAX_SEGMENTS = 4096
MAX_CHUNKS = 65536
# Each may unpack to megabytes, which the decoder does before the first pixel.
PACKED_CHUNKS = frozenset({b"zTXt", b"iTXt", b"iCCP"})
MAX_PACKED_CHUNKS = 32
# A progressive JPEG has about ten scans. Each costs a pass over all pixels, so their number is
# the classic way to make a small file slow.
MAX_SCANS = 32

STUFFING = 0x00
START_OF_SCAN = 0xDA
START_OF_IMAGE = 0xD8
END_OF_IMAGE = 0xD9
# Inside entropy-coded data FF is followed by 00, or is a restart marker (D0 to D7).
NEXT_MARKER = re.compile(b"\xff[^\x00\xd0-\xd7\xff]")
NO_PADDING = re.compile(b"[^\xff]")
SEQUENTIAL_HUFFMAN = frozenset({0xC0, 0xC1})
PROGRESSIVE_HUFFMAN = 0xC2
FRAME_MARKERS = SEQUENTIAL_HUFFMAN | {PROGRESSIVE_HUFFMAN}
# SOF3 to SOF15 but for DHT (C4), JPG (C8) and DAC (CC): lossless, hierarchical, arithmetic-coded.
# No browser reads them, and an arithmetic decoder makes up what is missing, minutes of it.
RARE_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
APP1 = 0xE1
# Brands of still HEVC pictures (ISO/IEC 23008-12, annex B); `mif1` alone says nothing of HEVC.
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
MAX_BRANDS = 32
FIRST_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L"})


def read_header(data: bytes) -> Header:
    """Format, stored size and orientation of an encoded picture; nothing is decoded.

    Raises:
        UnsupportedFormat: not a JPEG, PNG or WebP, or an animation.
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
        return _read_jpeg
    if data.startswith(PNG_MAGIC):
        return _read_png
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp
    if is_heic(data):
        from align.heic import read_heic  # what reads HEIC costs nothing before one comes

        return read_heic
    raise UnsupportedFormat("not a JPEG, PNG or WebP picture")


def is_heic(data: bytes) -> bool:
    """Whether the first bytes name HEIC, as the main brand or a compatible one."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 8 + 4 * MAX_BRANDS)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
    return bool(brands & HEIC_BRANDS)


def _read_jpeg(data: bytes) -> Header:
    orientation: int | None = None
    frame: tuple[int, int, int, int] | None = None
    for marker, start, end in _jpeg_segments(data):
        if marker == APP1 and data.startswith(EXIF_PREFIX, start) and orientation is None:
            orientation = read_orientation(data[start:end])
        elif marker in RARE_FRAMES:
            raise UnsupportedFormat("a lossless, hierarchical or arithmetic-coded JPEG")
        elif marker in FRAME_MARKERS and frame is None:
            height, width, components = struct.unpack_from(">HHB", data, start + 1)
            frame = (marker, width, height, components)
        elif marker == START_OF_SCAN and frame is not None:
            _check_scans(data, end, *frame)
            return Header("jpeg", frame[1], frame[2], orientation or 1)
    raise InvalidImage("the JPEG has no picture data")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's payload, up to and including the first scan's."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        if data[position] != 0xFF:
            raise InvalidImage("the JPEG is damaged: a segment does not start with a marker")
        padded = NO_PADDING.search(data, position)
        if padded is None:
            raise InvalidImage("the JPEG ends inside a segment")
        position = padded.start()
        marker = data[position]
        position += 1
        # The decoder takes this for padding and looks for markers in what we would skip.
        if marker == STUFFING:
            raise InvalidImage("the JPEG is damaged: a segment does not start with a marker")
        if marker in STANDALONE_MARKERS:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        end = position + length
        if length < 2 or end > len(data):
            raise InvalidImage("the JPEG ends inside a segment")
        yield marker, position + 2, end
        if marker == START_OF_SCAN:
            return
        position = end
    raise InvalidImage("the JPEG has too many segments")


def jpeg_end(data: bytes) -> int:
    """Where the end marker of a JPEG stands; anything may follow it, a film or more pictures.

    Raises InvalidImage where there is none, and for too many scans.
    """
    *_, (_, _, start) = _jpeg_segments(data)
    return _find_end(data, start)


def _find_end(data: bytes, position: int) -> int:
    """The end marker after the first scan's entropy-coded data, which begins at `position`."""
    scans = 1
    for _ in range(MAX_SEGMENTS):
        found = NEXT_MARKER.search(data, position)
        if found is None:
            raise InvalidImage("the JPEG is cut short: it has no end marker")
        marker, position = data[found.end() - 1], found.end()
        if marker == END_OF_IMAGE:
            return found.start()
        if marker == START_OF_IMAGE:
            raise InvalidImage("the JPEG is damaged: it begins again before its end")
        if marker in STANDALONE_MARKERS:
            continue
        scans += marker == START_OF_SCAN
        if scans > MAX_SCANS:
            raise InvalidImage("the JPEG has too many scans")
        (length,) = struct.unpack_from(">H", data, position)
        position += length
    raise InvalidImage("the JPEG has too many segments")


def _check_scans(
    data: bytes, start: int, frame: int, width: int, height: int, components: int
) -> None:
    """Refuse a JPEG whose entropy-coded data cannot hold its picture."""
    end = _find_end(data, start)
    # Each 8x8 block of a sequential JPEG takes a code for DC and one for AC of at least one bit.
    # The first component alone has this many blocks, whatever the subsampling of the others.
    blocks = -(-width // 8) * -(-height // 8) if components else 0
    if frame in SEQUENTIAL_HUFFMAN and (end - start) * 8 < blocks * 2:
        raise InvalidImage("the JPEG is cut short: its data cannot hold its picture")


def _read_png(data: bytes) -> Header:
    width, height, depth, colour_type = _png_size(data)
    orientation, alpha, packed, kinds = 1, colour_type in (4, 6), 0, set()
    for kind, start, end in _png_chunks(data):
        if kind == b"acTL":
            raise UnsupportedFormat("animated PNG: send a still picture")
        if kind == b"eXIf":
            orientation = read_orientation(data[start:end])
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
    return Header("png", width, height, orientation, alpha, depth=max(depth, 8))


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


def _read_webp(data: bytes) -> Header:
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if riff_bytes + 8 > len(data):
        raise InvalidImage("the WebP is cut short: it is smaller than its header says")
    sizes: list[tuple[int, int]] = []
    orientation, alpha, lossless = 1, False, False
    for kind, start, end in _webp_chunks(data, riff_bytes + 8):
        if kind == b"VP8X":
            flags = data[start]
            if flags & 0x02:
                raise UnsupportedFormat("animated WebP: send a still picture")
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
            orientation = read_orientation(data[start:end])
    if len(set(sizes)) != 1:
        raise InvalidImage("the WebP has no picture, or sizes that contradict each other")
    return Header("webp", *sizes[0], orientation, alpha, lossless=lossless)


def _webp_chunks(data: bytes, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's payload inside the RIFF container."""
    position = 12
    for _ in range(MAX_SEGMENTS):
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
