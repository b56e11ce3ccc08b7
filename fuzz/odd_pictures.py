"""Pictures that are rare but whole, and kinds that nobody reads: each with its right answer.

Made here from nothing, as the hostile ones are. `read` stands for an answer.
"""

import random
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from align.opencv import cv2
from align.png import PNG_MAGIC
from fuzz.hostile_pictures import (
    Maker,
    canvas,
    chunk,
    encode,
    jpeg_behind_padding,
    jpeg_of_frame,
    jpeg_with_exif,
    riff,
    scene,
    webp,
    with_chunk,
)
from fuzz.jpeg_scans import (
    is_scan,
    put_together,
    refines,
    scans_of,
    take_apart,
    with_scans,
)

# A name that, printed, is a line of a log by itself.
FORGED = b'x\n{"level":"ERROR","code":"Breach"}\n'
MISSING = "InvalidImage"  # a part of the picture is
TYPES = {1: "B", 3: "H", 4: "I"}  # TIFF's BYTE, SHORT, LONG
# The shortest WebP: white, lossless, one symbol a code.
SMALL_WEBP = bytes.fromhex("2f63c0180045ff23fa1f")


def orientation_exif(value: int, kind: int = 3, order: str = "<", count: int = 1) -> bytes:
    """A TIFF block whose only entry is the orientation, as a number of TIFF's type `kind`."""
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    number = struct.pack(order + TYPES.get(kind, "H"), value).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", 0x0112, kind, count) + number
    return mark + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def with_exif(kind: str, tiff: bytes) -> bytes:
    """The scene as "jpeg", "png" or "webp" with that TIFF block as its EXIF."""
    if kind == "jpeg":
        return jpeg_with_exif(tiff)
    if kind == "png":
        return with_chunk(chunk(b"eXIf", tiff))
    picture = encode("webp", scene(), cv2.IMWRITE_WEBP_QUALITY, 90)[12:]
    return webp(canvas(0x08, 64, 48), picture, riff(b"EXIF", tiff))


def profile_with_name(name: bytes) -> bytes:
    """The scene as PNG with a damaged colour profile, whose name libpng quotes."""
    profile = struct.pack(">I", 132) + random.Random(1).randbytes(128)
    return with_chunk(chunk(b"iCCP", name + b"\0\0" + zlib.compress(profile)))


def jpeg_with_junk(junk: bytes) -> bytes:
    """The scene as JPEG with these bytes between all of its segments."""
    return put_together(take_apart(encode("jpg")), junk)


def twelve_bit_jpeg() -> bytes:
    """The scene's JPEG whose frame claims 12 bits a sample."""
    data = bytearray(jpeg_of_frame(0xC1))
    data[data.find(b"\xff\xc1") + 4] = 12
    return bytes(data)


def progressive() -> bytes:
    """A progressive JPEG of a picture with detail: ten scans, the last five of which refine."""
    noisy = scene() ^ np.random.default_rng(3).integers(0, 32, (48, 64, 3), np.uint8)
    return encode("jpg", noisy, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def without_refinements() -> bytes:
    """The same without the scans that refine."""
    scans = scans_of(progressive())
    return with_scans(progressive(), (n for n, scan in enumerate(scans) if not refines(scan)))


def cut_in_a_scan(number: int, share: float) -> bytes:
    """The same with that scan, counted from 0, cut short and all later ones left out."""
    segments = take_apart(progressive())
    place = [n for n, segment in enumerate(segments) if is_scan(segment)][number]
    kept = segments[place][: int(len(segments[place]) * share)]
    return put_together([*segments[:place], kept])


def progressive_without(*left_out: int) -> bytes:
    """The same without the scans of these numbers, counted from 0."""
    count = len(scans_of(progressive()))
    return with_scans(progressive(), set(range(count)) - set(left_out))


def jpeg_in_scans(count: int) -> bytes:
    """The scene as a sequential JPEG with a scan for each component, of which `count` are there."""
    planes = cv2.split(cv2.cvtColor(scene(), cv2.COLOR_BGR2YCrCb))
    greys = [take_apart(encode("jpg", planes[number])) for number in (0, 2, 1)]
    names = (1, 2, 3)
    size = struct.pack(">BHHB", 8, *planes[0].shape, len(names))
    channels = b"".join(bytes((name, 0x11, 0)) for name in names)
    frame = b"\xff\xc0" + struct.pack(">H", 8 + len(channels)) + size + channels
    tables = [each for each in greys[0] if each[1] in (0xDB, 0xC4)]
    scans = [
        segment[:5] + bytes((name,)) + segment[6:]
        for name, grey in zip(names, greys, strict=True)
        for segment in grey
        if is_scan(segment)
    ]
    return put_together([*tables, frame, *scans[:count]])


def small_webp() -> bytes:
    """A whole lossless WebP of 30 bytes, 100 x 100 and white."""
    return webp(riff(b"VP8L", SMALL_WEBP))


def ios_png() -> bytes:
    """The scene's PNG as Xcode changes it: a chunk of its own stands before the header."""
    return PNG_MAGIC + chunk(b"CgBI", bytes(4)) + encode("png")[len(PNG_MAGIC) :]


def twelve_bits_of_sixteen(alpha: bool = False) -> bytes:
    """The scene in a PNG of 16 bits, its samples those of a 12-bit camera, not scaled up."""
    samples = scene().astype(np.uint16) << 4
    opaque = np.full((48, 64, 1), 4095, np.uint16)
    return encode("png", np.dstack([samples, opaque]) if alpha else samples)


LONG = orientation_exif(6, kind=4)
ODD: Mapping[str, tuple[Maker, frozenset[str]]] = MappingProxyType(
    {
        name: (maker, frozenset({code}))
        for name, maker, code in (
            ("png whose profile's name is a line", lambda: profile_with_name(FORGED), "read"),
            ("png with orientation as LONG", lambda: with_exif("png", LONG), "read"),
            ("jpeg with orientation as LONG", lambda: with_exif("jpeg", LONG), "read"),
            ("webp with orientation as LONG", lambda: with_exif("webp", LONG), "read"),
            ("jpeg with stray bytes", lambda: jpeg_with_junk(b"?>"), "read"),
            ("jpeg with stray padding", lambda: jpeg_with_junk(b"\xff\x00\xff"), "read"),
            ("jpeg with empty comments", lambda: jpeg_with_junk(b"\xff\xfe\0\0"), "read"),
            ("jpeg behind padding", lambda: jpeg_behind_padding(9000, 9000), "ImageTooLarge"),
            ("jpeg behind padding, small", lambda: jpeg_behind_padding(64, 48), "read"),
            ("jpeg of 12 bits", twelve_bit_jpeg, "UnsupportedFormat"),
            ("jpeg-ls", lambda: jpeg_of_frame(0xF7), "UnsupportedFormat"),
            ("jpeg, hierarchical", lambda: jpeg_of_frame(0xDE), "UnsupportedFormat"),
            ("jpeg, progressive, first scan", lambda: with_scans(progressive(), [0]), MISSING),
            ("jpeg, progressive, no detail", lambda: with_scans(progressive(), range(4)), MISSING),
            ("jpeg, progressive, cut in its detail", lambda: cut_in_a_scan(4, 0.1), MISSING),
            ("jpeg, progressive, unrefined", without_refinements, "read"),
            ("jpeg, progressive, cut in a refinement", lambda: cut_in_a_scan(5, 0.3), "read"),
            ("jpeg, progressive, no colour", lambda: progressive_without(2, 3), MISSING),
            ("jpeg of three scans", lambda: jpeg_in_scans(3), "read"),
            ("jpeg of three scans, one there", lambda: jpeg_in_scans(1), MISSING),
            ("jpeg of three scans, two there", lambda: jpeg_in_scans(2), MISSING),
            ("webp of 30 bytes", small_webp, "read"),
            ("png for iOS alone", ios_png, "UnsupportedFormat"),
            ("png, 12 bits in 16", twelve_bits_of_sixteen, "read"),
            ("png, 12 bits in 16 with alpha", lambda: twelve_bits_of_sixteen(True), "read"),
        )
    }
)
