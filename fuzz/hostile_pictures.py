"""Pictures made to hurt: bombs, loops, contradictions, files that are two things at once.

Each comes with the codes that the function may answer with; `read` stands for an answer. They are
made here, from nothing, so that no scanner trips over the repository.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from align.jpeg import JPEG_MAGIC, NEXT_MARKER
from align.opencv import cv2
from align.png import PNG_MAGIC
from fuzz.webp_codes import SIDE, stream_of_many_codes

# What a camera may append to a JPEG: by chance it holds the bytes of any marker.
FILM = b"ftypmp42" + b"\xff\xda\x12\x34" * 500 + b"\xff\xd9"
Maker = Callable[[], bytes]


def scene(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """uint8[height,width,3] with gradients, in OpenCV's order of colours."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [across * 255 / width, down * 255 / height, 255 - across * 200 / width]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encode(kind: str, pixels: NDArray[np.generic] | None = None, *options: int) -> bytes:
    """`pixels` (by default the scene) as OpenCV writes them."""
    return bytes(cv2.imencode(f".{kind}", scene() if pixels is None else pixels, options)[1])


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks between its header and its end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"".join([PNG_MAGIC, header, *chunks, chunk(b"IEND", b"")])


def zeros(count: int) -> bytes:
    """`count` zero bytes, compressed: a thousand to one."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, packer.compress(bytes(count & 0xFFFFF)), packer.flush()])


def flat_png(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A whole PNG of one colour: as small as a file of that size can be."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = 1 + (width * samples * depth + 7) // 8
    return png(width, height, chunk(b"IDAT", zeros(row * height)), depth=depth, colour=colour)


def bomb() -> bytes:
    """30,000 x 30,000 pixels in about 30 KB: enough data to keep any decoder that starts busy."""
    return png(30_000, 30_000, chunk(b"IDAT", zeros(30_000_000)))


def with_chunk(*chunks: bytes) -> bytes:
    """The scene as PNG with more chunks behind its header."""
    data = encode("png")
    return data[:33] + b"".join(chunks) + data[33:]


def tiff_loop() -> bytes:
    """An EXIF directory of 65,535 entries that reaches behind its end and whose next is itself."""
    return b"II*\x00" + struct.pack("<IH", 8, 65_535) + struct.pack("<HHII", 274, 3, 1, 8) * 2


def self_pointing_exif() -> bytes:
    """An EXIF directory whose entries and successor point at the directory."""
    entries = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x8825, 4, 1, 8)
    return b"II*\x00" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 8)


def jpeg_with_exif(tiff: bytes, copies: int = 1) -> bytes:
    """The scene as JPEG with that TIFF block as its EXIF segment."""
    payload = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload
    return JPEG_MAGIC[:2] + segment * copies + encode("jpg")[2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    """The scene's JPEG whose frame header claims another size."""
    data = bytearray(encode("jpg"))
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_frame(marker: int) -> bytes:
    """The scene's JPEG whose frame claims another way of coding."""
    return encode("jpg").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)


def half_jpeg_with_film() -> bytes:
    """Half of the scene's JPEG, an end marker, and bytes with an end marker of their own."""
    whole = encode("jpg")
    return whole[: len(whole) // 2 + 200] + b"\xff\xd9" + FILM


def slow_jpeg(width: int, height: int, scans: int, shade: int = 90) -> bytes:
    """A progressive JPEG of one grey with its last scan over and over.

    One of middle grey (128) is decoded twice, as it could be cut short.
    """
    data = progressive_jpeg(width, height, shade)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def slowest_jpeg(width: int, height: int, scans: int, shade: int = 90) -> bytes:
    """The same with its first scan over and over: the one that has something for every block."""
    data = progressive_jpeg(width, height, shade)
    first = data.find(b"\xff\xda")
    (length,) = struct.unpack_from(">H", data, first + 2)
    after = NEXT_MARKER.search(data, first + 2 + length)
    assert after is not None
    return data[:first] + data[first : after.start()] * scans + data[after.start() :]


def progressive_jpeg(width: int, height: int, shade: int) -> bytes:
    pixels = np.full((height, width, 3), shade, np.uint8)
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return encode("jpg", pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, *sampling)


def jpeg_behind_padding(width: int, height: int) -> bytes:
    """A large progressive JPEG in what looks like a segment, and a small frame header behind it.

    Decoders take FF 00 for padding and find the large picture; whoever goes by the length of the
    "segment" sees 10 x 10.
    """
    pixels = np.full((height, width, 3), 90, np.uint8)
    large = encode("jpg", pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scan = large.find(b"\xff\xda")
    frame = large.find(b"\xff\xc2")
    decoy = bytearray(large[frame : frame + 19])
    decoy[5:9] = struct.pack(">HH", 10, 10)
    hidden = large[2:scan] + b"\xff\xe5" + struct.pack(">H", 2 + len(decoy))
    padding = b"\xff\x00" + struct.pack(">H", 2 + len(hidden))
    return large[:2] + padding + hidden + bytes(decoy) + large[scan:]


def webp(*chunks: bytes) -> bytes:
    """A RIFF container of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff(kind: bytes, payload: bytes) -> bytes:
    """A RIFF chunk."""
    return kind + struct.pack("<I", len(payload)) + payload + b"\x00" * (len(payload) & 1)


def canvas(flags: int, width: int, height: int) -> bytes:
    """The VP8X chunk of an extended WebP."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def animated_webp() -> bytes:
    """An extended WebP that says that it moves."""
    animation = riff(b"ANIM", bytes(6)) + riff(b"ANMF", bytes(16) + encode("webp")[12:])
    return webp(canvas(0x02, 64, 48), animation)


def lossless_webp(width: int, height: int, stream: bytes = bytes(8)) -> bytes:
    """A lossless WebP of this size; without a stream there is nothing in it."""
    bits = (width - 1) | (height - 1) << 14
    return webp(riff(b"VP8L", b"\x2f" + struct.pack("<I", bits) + stream))


def webp_with_packed_alpha(width: int, height: int) -> bytes:
    """A lossy WebP's header, its alpha a lossless picture with nothing in it."""
    frame = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return webp(canvas(0x10, width, height), riff(b"ALPH", b"\x01"), riff(b"VP8 ", frame))


def text_bomb() -> bytes:
    """The scene with a compressed comment of 400 MB."""
    return with_chunk(chunk(b"zTXt", b"a\x00\x00" + zeros(400 << 20)))


def profile_bomb() -> bytes:
    """The scene with a colour profile that unpacks to 400 MB."""
    return with_chunk(chunk(b"iCCP", b"a\x00\x00" + zeros(400 << 20)))


# Formats that OpenCV could read, or somebody else could: none may reach a decoder.
FOREIGN: Mapping[str, Maker] = MappingProxyType(
    {
        "gif": lambda: b"GIF89a" + bytes(64),
        "gif and jpeg": lambda: b"GIF89a/*" + encode("jpg"),
        "bmp": lambda: encode("bmp"),
        "tiff": lambda: encode("tiff"),
        "ppm": lambda: encode("ppm"),
        "jpeg 2000": lambda: b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(64),
        "avif": lambda: b"\x00\x00\x00\x1cftypavif" + bytes(64),
        "exr": lambda: b"\x76\x2f\x31\x01" + bytes(64),
        "hdr": lambda: b"#?RADIANCE\n" + bytes(64),
        "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "xml that reads a file": lambda: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        "zip": lambda: b"PK\x03\x04" + bytes(64),
        "wave": lambda: b"RIFF\x24\x00\x00\x00WAVE" + bytes(36),
    }
)
# Long pictures, each of another shape: detectors like to keep what they needed for one.
STRIPS: Mapping[int, Maker] = MappingProxyType(
    {width: partial(flat_png, width, 500) for width in (16_384, 15_900, 15_400, 14_900)}
)
HOSTILE: Mapping[str, tuple[Maker, frozenset[str]]] = MappingProxyType(
    {
        name: (maker, frozenset(codes.split()))
        for name, maker, codes in (
            ("empty", lambda: b"", "UnsupportedFormat"),
            ("png bomb, 30,000 x 30,000", bomb, "ImageTooLarge"),
            (
                "png of 2^31 pixels a side",
                lambda: png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", b"")),
                "ImageTooLarge",
            ),
            (
                "png whose size overflows",
                lambda: png(2**32 - 1, 2**32 - 1, chunk(b"IDAT", b"")),
                "ImageTooLarge",
            ),
            ("png of size zero", lambda: png(0, 0), "InvalidImage"),
            ("png without data", lambda: png(100, 100), "InvalidImage"),
            # OpenCV made room for 1.2 GB: the length that stands behind the end.
            (
                "png without data, and a long chunk behind its end",
                lambda: png(64, 48) + b"\x49\x64\x22\x06IEND" + bytes(32),
                "InvalidImage",
            ),
            ("png of one long line", lambda: flat_png(39_999_999, 1), "ImageTooLarge"),
            ("png at the limit", lambda: flat_png(8000, 5000), "read FaceNotFound"),
            ("png at the limit, with alpha", lambda: flat_png(8000, 5000, 8, 6), "read"),
            ("png at the limit of 16 bits", lambda: flat_png(5000, 4000, 16, 6), "read"),
            # Dark enough to be looked at twice: its samples may be those of a 12-bit camera.
            ("png at the limit of 16 bits, black", lambda: flat_png(5000, 4000, 16), "read"),
            (
                "png of 16 bits, twice too large",
                lambda: flat_png(8000, 5000, 16, 6),
                "ImageTooLarge",
            ),
            ("png, 16 bits", lambda: encode("png", scene().astype(np.uint16) * 257), "read"),
            ("png, 16 bits with alpha", lambda: flat_png(64, 48, 16, 6), "read"),
            ("png, 16 bits grey", lambda: flat_png(64, 48, 16, 0), "read"),
            ("png with a 400 MB comment", text_bomb, "read InvalidImage"),
            ("png with a 400 MB profile", profile_bomb, "read InvalidImage"),
            (
                "png with 40 comments of 7 MB",
                lambda: with_chunk(chunk(b"zTXt", b"a\x00\x00" + zeros(7 << 20)) * 40),
                "InvalidImage",
            ),
            ("png with an endless profile", lambda: with_chunk(chunk(b"iCCP", b"\x00")), "read"),
            (
                "png with data for a hundred pictures",
                lambda: png(64, 48, chunk(b"IDAT", zeros(100 * (64 * 3 + 1) * 48))),
                "read InvalidImage",
            ),
            (
                "png with 70,000 chunks",
                lambda: with_chunk(chunk(b"teXt", b"") * 70_000),
                "InvalidImage",
            ),
            (
                "png, animated",
                lambda: with_chunk(chunk(b"acTL", struct.pack(">II", 2, 0))),
                "UnsupportedFormat",
            ),
            (
                "png with an EXIF loop",
                lambda: with_chunk(chunk(b"eXIf", self_pointing_exif())),
                "read",
            ),
            ("jpeg with an EXIF loop", lambda: jpeg_with_exif(self_pointing_exif()), "read"),
            (
                "jpeg with EXIF entries beyond its end",
                lambda: jpeg_with_exif(tiff_loop()),
                "read",
            ),
            (
                "jpeg with 5,000 EXIF blocks",
                lambda: jpeg_with_exif(tiff_loop(), 5000),
                "InvalidImage",
            ),
            ("jpeg that claims 65,535", lambda: jpeg_of_size(65_535, 65_535), "InvalidImage"),
            ("jpeg that claims 6,000", lambda: jpeg_of_size(6000, 6000), "InvalidImage"),
            ("jpeg at the limit, 30 scans", partial(slow_jpeg, 8000, 5000, 21), "read"),
            ("jpeg at the limit, 30 full scans", partial(slowest_jpeg, 8000, 5000, 21), "read"),
            (
                "jpeg at the limit, 30 full grey scans",
                partial(slowest_jpeg, 8000, 5000, 21, 128),
                "read",
            ),
            ("jpeg of 500 scans", partial(slow_jpeg, 64, 48, 500), "InvalidImage"),
            ("jpeg, arithmetic-coded", lambda: jpeg_of_frame(0xC9), "UnsupportedFormat"),
            ("jpeg, lossless", lambda: jpeg_of_frame(0xC3), "UnsupportedFormat"),
            ("jpeg with a film behind it", lambda: encode("jpg") + FILM, "read"),
            ("jpeg cut in half, with a film behind it", half_jpeg_with_film, "InvalidImage"),
            ("jpeg of two bytes", lambda: JPEG_MAGIC[:2], "UnsupportedFormat"),
            ("jpeg of three bytes", lambda: JPEG_MAGIC, "InvalidImage"),
            ("webp, animated", animated_webp, "UnsupportedFormat"),
            (
                "webp of two sizes",
                lambda: webp(canvas(0, 9000, 9000), encode("webp")[12:]),
                "InvalidImage",
            ),
            (
                "webp of 16,384 a side",
                lambda: lossless_webp(16_384, 16_384),
                "ImageTooLarge",
            ),
            (
                "webp, lossless, twice too large",
                lambda: lossless_webp(8000, 5000),
                "ImageTooLarge",
            ),
            (
                "webp that does not start with its picture",
                lambda: webp(riff(b"JUNK", bytes(8)), canvas(0, 64, 48), encode("webp")[12:]),
                "InvalidImage",
            ),
            (
                "webp with a lossless alpha, twice too large",
                lambda: webp_with_packed_alpha(8000, 5000),
                "ImageTooLarge",
            ),
            (
                "webp at the limit of codes",
                lambda: lossless_webp(SIDE, SIDE, stream_of_many_codes()),
                "read",
            ),
            (
                "webp at the limit of codes, as alpha",
                lambda: webp(
                    canvas(0x10, SIDE, SIDE),
                    riff(b"ALPH", b"\x01" + stream_of_many_codes()),
                    encode("webp", scene(SIDE, SIDE), cv2.IMWRITE_WEBP_QUALITY, 1)[12:],
                ),
                "read",
            ),
            ("webp without data", lambda: lossless_webp(4000, 4000), "InvalidImage"),
            (
                "webp that claims more than it has",
                lambda: b"RIFF\xff\xff\xff\xffWEBP" + encode("webp")[12:],
                "InvalidImage",
            ),
            ("jpeg and zip", lambda: encode("jpg") + b"PK\x05\x06" + bytes(18), "read"),
            ("png and html", lambda: encode("png") + b"<script>alert(1)</script>", "read"),
            ("jpeg and pdf", lambda: encode("jpg") + b"%PDF-1.7\n%%EOF", "read"),
            ("jpeg's magic and a png", lambda: JPEG_MAGIC + encode("png"), "InvalidImage"),
            ("png's magic and a jpeg", lambda: PNG_MAGIC + encode("jpg"), "InvalidImage"),
        )
    }
    | {f"png of {width} x 500": (maker, frozenset({"read"})) for width, maker in STRIPS.items()}
    | {name: (maker, frozenset({"UnsupportedFormat"})) for name, maker in FOREIGN.items()}
)
