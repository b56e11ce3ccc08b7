"""Bytes to upright RGB pixels: formats, depths, orientations, limits, damage."""

import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

import align
from align.decode import STRIP_PIXELS
from fixtures.hostile_pictures import chunk
from fixtures.odd_pictures import small_webp
from tests.unit.align.test_headers import png_bomb

Encode = Callable[..., bytes]


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize(("kind", "tolerance"), [("jpeg", 4), ("png", 0), ("webp", 6)])
def test_colours_come_out_as_rgb(
    kind: str, tolerance: float, scene: np.ndarray, encode: Encode
) -> None:
    picture = align.decode(encode(scene, kind))
    assert (picture.width, picture.height, picture.reduction) == (64, 48, 1)
    assert picture.pixels.dtype == np.uint8
    assert mean_difference(picture.pixels, scene) <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_every_orientation_comes_out_as_pillow_turns_it(
    kind: str, orientation: int, scene: np.ndarray, encode: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    tagged = Image.fromarray(scene)
    tagged.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(tagged))
    picture = align.decode(encode(scene, kind, exif=exif))
    assert picture.pixels.shape == expected.shape
    assert (picture.height, picture.width) == expected.shape[:2]
    assert mean_difference(picture.pixels, expected) < 7


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_grey_becomes_three_equal_channels(kind: str, scene: np.ndarray, encode: Encode) -> None:
    pixels = align.decode(encode(scene, kind, mode="L")).pixels
    assert pixels.shape == (48, 64, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palette_and_black_and_white_png(mode: str, scene: np.ndarray, encode: Encode) -> None:
    expected = np.asarray(Image.fromarray(scene).convert(mode).convert("RGB"))
    assert mean_difference(align.decode(encode(scene, "png", mode=mode)).pixels, expected) == 0


def test_cmyk_jpeg_becomes_rgb(scene: np.ndarray, encode: Encode) -> None:
    picture = align.decode(encode(scene, "jpeg", mode="CMYK", quality=95))
    assert mean_difference(picture.pixels, scene) < 5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_not_clipped(channels: int, scene: np.ndarray) -> None:
    deep = scene.astype(np.uint16) * 257
    stored = {
        1: deep[..., 0],
        3: deep[..., ::-1],
        4: np.dstack([deep[..., ::-1], np.full(deep.shape[:2], 65535, np.uint16)]),
    }[channels]
    pixels = align.decode(cv2.imencode(".png", stored)[1].tobytes()).pixels
    expected = np.repeat(scene[..., :1], 3, axis=2) if channels == 1 else scene
    assert mean_difference(pixels, expected) == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_samples_of_twelve_bits_that_were_not_scaled_up_are(channels: int) -> None:
    colours = np.random.default_rng(7).integers(0, 256, (48, 64, 3), np.uint16)
    colours[0, 0] = 255
    deep = colours << 4 | 15
    stored = {
        1: deep[..., 0],
        3: deep[..., ::-1],
        4: np.dstack([deep[..., ::-1], np.full(deep.shape[:2], 4095, np.uint16)]),
    }[channels]
    pixels = align.decode(cv2.imencode(".png", stored)[1].tobytes()).pixels
    assert (pixels == (colours[..., :1] if channels == 1 else colours)).all()


def test_one_sample_beyond_twelve_bits_says_that_they_are_scaled() -> None:
    stored = np.full((8, 8), 4095, np.uint16)
    stored[7, 7] = 4096
    pixels = align.decode(cv2.imencode(".png", stored)[1].tobytes()).pixels[..., 0]
    assert (pixels[0, 0], pixels[7, 7]) == (15, 16)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_transparent_pixels_are_laid_over_white(
    kind: str, scene: np.ndarray, encode: Encode
) -> None:
    alpha = np.zeros(scene.shape[:2], np.uint8)
    alpha[:, 20:] = 128
    alpha[:, 40:] = 255
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    pixels = align.decode(encode(np.dstack([scene, alpha]), kind, **options)).pixels
    assert (pixels[:, :20] == 255).all()
    half = scene[:, 20:40] * (128 / 255) + 127
    assert mean_difference(pixels[:, 20:40], half) <= 1
    assert mean_difference(pixels[:, 40:], scene[:, 40:]) == 0


@pytest.mark.parametrize("bits", [8, 16])
def test_every_colour_at_every_opacity_is_laid_over_white_to_the_nearest(bits: int) -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    stored = np.dstack([colour, colour[:, ::-1], colour, alpha])
    stored = np.tile(stored, (4, 4, 1))  # more than one strip
    assert stored.shape[0] * stored.shape[1] > STRIP_PIXELS
    deep = stored.astype(np.uint16) * 257 if bits == 16 else stored.astype(np.uint8)
    pixels = align.decode(cv2.imencode(".png", deep)[1].tobytes()).pixels
    exact = 255 + (stored[..., 2::-1] - 255) * stored[..., 3:] / 255
    assert np.abs(pixels - exact).max() <= 0.5


def test_grey_with_transparency(scene: np.ndarray, encode: Encode) -> None:
    pixels = align.decode(encode(scene, "png", mode="LA")).pixels
    assert mean_difference(pixels, np.asarray(Image.fromarray(scene).convert("L"))[..., None]) == 0


@pytest.mark.parametrize("bits", [8, 16])
def test_one_grey_that_is_transparent_is_white(bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    levels = np.array([[0, 7, 9], [7, 100, 2**bits - 1]], dtype)
    plain = cv2.imencode(".png", levels)[1].tobytes()
    header = 33  # the signature and IHDR
    data = plain[:header] + chunk(b"tRNS", (7).to_bytes(2, "big")) + plain[header:]
    expected = np.where(levels == 7, 255, levels >> (bits - 8)).astype(np.uint8)
    assert (align.decode(data).pixels == expected[..., None]).all()


def test_a_transparent_grey_behind_the_pixels_is_out_of_place() -> None:
    levels = np.array([[0, 7, 9]], np.uint8)
    plain = cv2.imencode(".png", levels)[1].tobytes()
    data = plain[:-12] + chunk(b"tRNS", (7).to_bytes(2, "big")) + plain[-12:]
    assert align.decode(data).pixels[0, :, 0].tolist() == [0, 7, 9]


@pytest.mark.parametrize(("bits", "row"), [(2, 0b00_01_10_11), (4, 0b0000_0001)])
def test_one_grey_of_few_bits_that_is_transparent_is_white(bits: int, row: int) -> None:
    width = 8 // bits
    header = struct.pack(">IIBBBBB", width, 1, bits, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((0, row)))
    parts = [(b"IHDR", header), (b"tRNS", b"\0\1"), (b"IDAT", pixels), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    expected = [255 if level == 1 else level * 85 for level in range(width)]
    assert align.decode(data).pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_decoded_at_a_fraction(
    reduction: int, mode: str, scene: np.ndarray, encode: Encode
) -> None:
    odd = scene[:45, :61]
    picture = align.decode(encode(odd, "jpeg", mode=mode), reduction=reduction)
    assert (picture.width, picture.height, picture.reduction) == (61, 45, reduction)
    assert picture.pixels.shape == (-(-45 // reduction), -(-61 // reduction), 3)


def test_a_reduced_jpeg_is_turned_upright_too(scene: np.ndarray, encode: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = align.decode(encode(scene, "jpeg", exif=exif), reduction=2)
    assert (picture.width, picture.height) == (48, 64)
    assert picture.pixels.shape == (32, 24, 3)


def test_other_formats_ignore_a_reduction(scene: np.ndarray, encode: Encode) -> None:
    picture = align.decode(encode(scene, "png"), reduction=4)
    assert (picture.pixels.shape, picture.reduction) == ((48, 64, 3), 1)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("options", [{}, {"lossless": True}])
def test_the_smallest_pictures_are_read(kind: str, options: dict, encode: Encode) -> None:
    for side in (1, 2, 16, 100):
        white = np.full((side, side, 3), 255, np.uint8)
        picture = align.decode(encode(white, kind, **options))
        assert (picture.pixels >= 254).all()
        assert picture.pixels.shape == white.shape


def test_a_webp_of_thirty_bytes_is_read() -> None:
    data = small_webp()
    assert len(data) == 30
    picture = align.decode(data)
    assert picture.pixels.shape == (100, 100, 3)
    assert (picture.pixels == 255).all()


def test_an_unknown_reduction_is_a_mistake_of_the_caller(scene: np.ndarray, encode: Encode) -> None:
    with pytest.raises(ValueError, match="reduction"):
        align.decode(encode(scene, "jpeg"), reduction=3)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png_bomb(30_000, 30_000)
    tracemalloc.start()
    with pytest.raises(align.ImageTooLarge) as caught:
        align.decode(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.details["width"] == 30_000
    assert peak < 1_000_000


def test_pixels_and_sides_have_their_own_limits(scene: np.ndarray, encode: Encode) -> None:
    data = encode(scene, "png")
    assert align.decode(data, max_pixels=64 * 48, max_side=64).width == 64
    with pytest.raises(align.ImageTooLarge):
        align.decode(data, max_pixels=64 * 48 - 1)
    with pytest.raises(align.ImageTooLarge):
        align.decode(data, max_side=63)


def test_a_picture_of_16_bits_may_have_half_as_many_pixels(scene: np.ndarray) -> None:
    data = cv2.imencode(".png", scene.astype(np.uint16) * 257)[1].tobytes()
    assert align.read_header(data).depth == 16
    assert align.decode(data, max_pixels=2 * 64 * 48).width == 64
    with pytest.raises(align.ImageTooLarge, match="16 bits") as caught:
        align.decode(data, max_pixels=2 * 64 * 48 - 1)
    assert caught.value.details["max_pixels"] == 64 * 48 - 1


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("reduction", [1, 2])
def test_a_jpeg_cut_short_is_refused_even_with_an_end_marker(
    share: float, reduction: int, photographs: Path
) -> None:
    data = (photographs / "eileen_collins.jpg").read_bytes()
    with pytest.raises(align.InvalidImage, match="cut short"):
        align.decode(data[: int(len(data) * share)] + b"\xff\xd9", reduction=reduction)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_cut_short_is_refused_whatever_its_form(
    mode: str, options: dict[str, Any], collins: align.Picture, encode: Encode
) -> None:
    whole = encode(collins.pixels, "jpeg", mode=mode, **options)
    assert align.decode(whole).width == collins.width
    with pytest.raises(align.InvalidImage, match="cut short"):
        align.decode(whole[: len(whole) // 30] + b"\xff\xd9")


def test_a_jpeg_with_a_hole_between_restart_markers_is_refused(
    collins: align.Picture, encode: Encode
) -> None:
    whole = encode(collins.pixels, "jpeg", restart_marker_blocks=4)
    middle = len(whole) // 2
    with pytest.raises(align.InvalidImage, match="cut short"):
        align.decode(whole[:middle] + whole[middle + 4000 :])


@pytest.mark.parametrize("level", [128, 65, 64])
def test_a_jpeg_that_is_grey_to_the_corner_is_accepted(level: int, encode: Encode) -> None:
    grey = np.full((40, 40, 3), level, np.uint8)
    assert (align.decode(encode(grey, "jpeg")).pixels == level).all()


def test_bytes_behind_the_end_marker_do_no_harm(scene: np.ndarray, encode: Encode) -> None:
    data = encode(scene, "jpeg")
    whole, padded = align.decode(data), align.decode(data + b"trailing bytes")
    assert np.array_equal(whole.pixels, padded.pixels)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_damaged_bytes_give_a_picture_or_a_typed_error(
    kind: str, scene: np.ndarray, encode: Encode
) -> None:
    data = encode(scene, kind)
    random = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(data)
        for position in random.integers(0, len(data), 4):
            damaged[position] = random.integers(0, 256)
        try:
            picture = align.decode(bytes(damaged), max_pixels=100_000)
        except align.AlignError:
            continue
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.shape == (picture.height, picture.width, 3)


def test_want_of_memory_is_no_fault_of_the_picture() -> None:
    program = """
import resource, sys
import cv2, numpy as np
import align
data = cv2.imencode(".png", np.zeros((8000, 5000, 3), np.uint8))[1].tobytes()
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 50_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    align.decode(data)
except MemoryError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7
