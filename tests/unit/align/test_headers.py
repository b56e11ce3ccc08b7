"""What headers say, and which files are refused by them alone."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import align
from fixtures.odd_pictures import ios_png

Encode = Callable[..., bytes]


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that announce a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_size_and_format_are_read(kind: str, scene: np.ndarray, encode: Encode) -> None:
    header = align.read_header(encode(scene, kind))
    assert (header.format, header.width, header.height) == (kind, 64, 48)
    assert (header.orientation, header.alpha) == (1, False)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"Exif\0\0II*\0"}])
def test_webp_of_other_layouts(scene: np.ndarray, encode: Encode, options: dict) -> None:
    header = align.read_header(encode(scene, "webp", **options))
    assert (header.width, header.height) == (64, 48)


def test_progressive_jpeg_is_read(scene: np.ndarray, encode: Encode) -> None:
    header = align.read_header(encode(scene, "jpeg", progressive=True))
    assert (header.width, header.height) == (64, 48)


def test_the_first_exif_block_counts(scene: np.ndarray, encode: Encode) -> None:
    def block(orientation: int) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        payload = exif.tobytes()
        return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload

    plain = encode(scene, "jpeg")
    assert align.read_header(plain[:2] + block(1) + block(6) + plain[2:]).orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_upright_size_follows_orientation(
    kind: str, orientation: int, scene: np.ndarray, encode: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    header = align.read_header(encode(scene, kind, exif=exif))
    assert header.orientation == orientation
    assert header.upright_size == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_transparency_is_announced(kind: str, scene: np.ndarray, encode: Encode) -> None:
    pixels = np.dstack([scene, np.full(scene.shape[:2], 9, np.uint8)])
    assert align.read_header(encode(pixels, kind)).alpha


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + bytes(40), b"BM" + bytes(40), b"%PDF-1.4", b"<svg/>", b"\0" * 64],
)
def test_other_formats_are_unsupported(data: bytes) -> None:
    with pytest.raises(align.UnsupportedFormat):
        align.read_header(data)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_animations_are_unsupported(kind: str, scene: np.ndarray) -> None:
    buffer = io.BytesIO()
    first, second = Image.fromarray(scene), Image.fromarray(255 - scene)
    first.save(buffer, kind, save_all=True, append_images=[second])
    with pytest.raises(align.UnsupportedFormat, match="animated"):
        align.read_header(buffer.getvalue())


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9, 0.99])
def test_files_cut_short_are_invalid(
    kind: str, share: float, scene: np.ndarray, encode: Encode
) -> None:
    data = encode(scene, kind)
    with pytest.raises(align.InvalidImage):
        align.read_header(data[: max(int(len(data) * share), 12)])


def test_a_size_of_zero_is_invalid() -> None:
    with pytest.raises(align.InvalidImage, match="zero"):
        align.read_header(png_bomb(0, 10))


def test_a_jpeg_without_picture_data_is_invalid() -> None:
    with pytest.raises(align.InvalidImage):
        align.read_header(b"\xff\xd8\xff\xd9" + bytes(20))


def test_endless_jpeg_segments_are_refused() -> None:
    with pytest.raises(align.InvalidImage, match="too many segments"):
        align.read_header(b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100_000)


def test_png_without_pixels_is_refused_before_a_decoder_looks_for_them() -> None:
    whole = png_bomb(64, 48)
    length = struct.unpack_from(">I", whole, 33)[0]
    with pytest.raises(align.InvalidImage, match="no pixels"):
        align.read_header(whole[:33] + whole[33 + 12 + length :])


def test_endless_png_chunks_are_refused() -> None:
    data = png_bomb(8, 8)[:33] + png_chunk(b"tEXt", b"") * 70_000
    with pytest.raises(align.InvalidImage, match="too many chunks"):
        align.read_header(data)


def test_a_jpeg_with_hundreds_of_scans_is_refused(scene: np.ndarray, encode: Encode) -> None:
    data = encode(scene, "jpeg", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(align.InvalidImage, match="scans"):
        align.read_header(data[:-2] + scan * 300 + data[-2:])


def test_webp_sizes_that_contradict_are_invalid(scene: np.ndarray, encode: Encode) -> None:
    pixels = np.dstack([scene, np.full(scene.shape[:2], 9, np.uint8)])
    data = bytearray(encode(pixels, "webp"))
    assert data[12:16] == b"VP8X"
    data[24] += 1  # the canvas is one pixel wider than the picture on it
    with pytest.raises(align.InvalidImage, match="contradict"):
        align.read_header(bytes(data))


def test_a_bomb_is_known_by_its_header() -> None:
    header = align.read_header(png_bomb(30_000, 30_000))
    assert (header.width, header.height) == (30_000, 30_000)


def test_padding_before_a_marker_is_skipped_and_needs_one_behind_it(
    scene: np.ndarray, encode: Encode
) -> None:
    data = encode(scene, "jpeg")
    padding = b"\xff" * 100_000
    assert align.read_header(data[:2] + padding + data[2:]) == align.read_header(data)
    with pytest.raises(align.InvalidImage, match="no end marker"):
        align.read_header(data[:2] + padding)


def test_a_png_for_ios_alone_is_unsupported() -> None:
    with pytest.raises(align.UnsupportedFormat, match="iOS"):
        align.read_header(ios_png())
