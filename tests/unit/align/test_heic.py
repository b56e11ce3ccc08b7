"""HEIC: what is read of a file before it is decoded, and the pixels that come out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import align
from align.hevc import read_picture
from fixtures.heic_files import (
    Layout,
    crop,
    mirror,
    picture_of,
    seed,
    tiled,
    turn,
    with_properties,
)
from fixtures.hostile_heic import GAIN_MAP, HOSTILE_HEIC, with_second
from fixtures.hostile_pictures import scene

PLAIN = ("plain", "ten_bits", "full_colour", "thumbnail", "alpha")
needs_decoder = pytest.mark.skipif(not align.can_decode_heic(), reason="needs pi-heif")


def decoded(data: bytes) -> np.ndarray:
    """The pixels as signed numbers."""
    return align.decode(data).pixels.astype(int)


def drawn() -> np.ndarray:
    """The scene that the seeds show, RGB."""
    return scene()[..., ::-1].astype(int)


def file_of_scene(*properties: tuple[bytes, bytes]) -> bytes:
    """The scene's tile of 64 x 64, of which the lower rows are padding."""
    return Layout([with_properties(picture_of(seed("plain")), *properties)]).file()


@needs_decoder
@pytest.mark.parametrize("name", PLAIN)
def test_pixels_are_those_that_were_encoded(name: str) -> None:
    picture = align.decode(seed(name))
    assert (picture.width, picture.height) == (64, 48)
    assert picture.pixels.dtype == np.uint8
    assert np.abs(decoded(seed(name)) - drawn()).mean() < 4


@needs_decoder
def test_grey_becomes_rgb() -> None:
    pixels = decoded(seed("grey"))
    assert pixels.shape == (48, 64, 3)
    assert np.ptp(pixels, axis=2).max() == 0


@needs_decoder
def test_odd_sizes_are_cropped_to_what_is_shown() -> None:
    assert decoded(seed("odd")).shape == (47, 61, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("plain", (64, 48, 8, False)), ("ten_bits", (64, 48, 10, False)), ("odd", (61, 47, 8, False)),
     ("alpha", (64, 48, 8, True))],
)  # fmt: skip
def test_the_header_is_read_without_the_decoder(name: str, expected: tuple[object, ...]) -> None:
    header = align.read_header(seed(name))
    assert header.format == "heic"
    assert (header.width, header.height, header.depth, header.alpha) == expected
    assert header.coded_pixels == 64 * 64 * (2 if header.alpha else 1)
    assert 0 < header.coded_bytes < len(seed(name))


@needs_decoder
@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ((turn(1),), lambda pixels: np.rot90(pixels, 1)),
        ((turn(2),), lambda pixels: np.rot90(pixels, 2)),
        ((turn(3),), lambda pixels: np.rot90(pixels, 3)),
        ((mirror(1),), lambda pixels: pixels[:, ::-1]),
        ((mirror(0),), lambda pixels: pixels[::-1]),
        ((turn(1), mirror(1)), lambda pixels: np.rot90(pixels, 1)[:, ::-1]),
        ((crop(40, 30), turn(1)), lambda pixels: np.rot90(pixels[17:47, 12:52], 1)),
    ],
)
def test_a_picture_is_turned_and_mirrored_as_its_item_says(properties, expected) -> None:
    wanted = expected(decoded(file_of_scene()))
    picture = align.decode(file_of_scene(*properties))
    assert picture.pixels.shape == wanted.shape
    assert (picture.width, picture.height) == (wanted.shape[1], wanted.shape[0])
    assert np.abs(picture.pixels - wanted).mean() < 3


@needs_decoder
def test_the_orientation_of_an_exif_block_does_not_turn_it_again() -> None:
    assert b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" in seed("exif")
    assert decoded(seed("exif")).shape == (24, 32, 3)


@needs_decoder
def test_tiles_are_put_together() -> None:
    pixels = decoded(tiled(picture_of(seed("plain")), 2, 3, 180, 120))
    tile = decoded(file_of_scene())
    assert pixels.shape == (120, 180, 3)
    assert np.abs(pixels[:48, :64] - tile[:48]).mean() < 3
    assert np.abs(pixels[64:112, 128:180] - tile[:48, :52]).mean() < 3


@needs_decoder
def test_a_gain_map_changes_nothing() -> None:
    assert np.array_equal(decoded(with_second(GAIN_MAP)), decoded(file_of_scene()))
    assert align.read_header(with_second(GAIN_MAP)).coded_pixels == 64 * 64


@needs_decoder
def test_of_a_burst_the_primary_picture_is_read() -> None:
    first, second = picture_of(seed("grey")), picture_of(seed("plain"))
    assert np.ptp(decoded(Layout([first, second]).file()), axis=2).max() == 0
    assert np.array_equal(
        decoded(Layout([first, second], primary=2).file()), decoded(file_of_scene())
    )


@needs_decoder
@pytest.mark.parametrize("name", HOSTILE_HEIC)
def test_hostile_files_get_typed_answers(name: str) -> None:
    maker, expected = HOSTILE_HEIC[name]
    try:
        align.decode(maker())
    except align.AlignError as refusal:
        code = type(refusal).__name__
    else:
        code = "read"
    assert code in expected.split()


@needs_decoder
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(share: float) -> None:
    data = seed("plain")
    with pytest.raises((align.InvalidImage, align.UnsupportedFormat)):
        align.decode(data[: int(len(data) * share)])


def test_limits_hold_before_anything_is_decoded() -> None:
    data = seed("plain")
    with pytest.raises(align.ImageTooLarge):
        align.check_limits(align.read_header(data), max_pixels=64 * 48 - 1)
    with pytest.raises(align.ImageTooLarge):
        align.check_limits(align.read_header(data), max_side=63)
    deep = align.read_header(seed("ten_bits"))
    with pytest.raises(align.ImageTooLarge, match="of 10 bits"):
        align.check_limits(deep, max_pixels=64 * 48)


def test_the_size_inside_the_hevc_data_is_read() -> None:
    """It decides how much memory a decoder takes, whatever the container says."""
    item = picture_of(seed("plain"))
    parameters = dict(item.properties)[b"hvcC"]
    picture = read_picture(parameters, item.data)
    assert (picture.width, picture.height, picture.depth) == (64, 64, 8)


@pytest.mark.parametrize("brand", [b"avif", b"avis", b"mif1", b"mp42", b"qt  "])
def test_other_families_of_the_container_are_not_mistaken_for_heic(brand: bytes) -> None:
    data = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1miaf"
    assert not align.is_heic(data)
    with pytest.raises(align.UnsupportedFormat):
        align.read_header(data)


def test_the_decoder_comes_with_the_first_such_picture_and_not_before() -> None:
    program = """
import sys, align
from handler.settings import Settings
Settings.from_environment({"FACENET_HEIC": sys.argv[1]})
known = {"_pi_heif", "pi_heif", "align.heic", "align.heif", "align.hevc"}
assert not known & set(sys.modules), known & set(sys.modules)
align.decode(open("events/pictures/eileen_collins.jpg", "rb").read())
assert not known & set(sys.modules), known & set(sys.modules)
if sys.argv[1] == "on":
    align.decode(open("fuzz/seeds/heic/plain.heic", "rb").read())
    assert "_pi_heif" in sys.modules and "PIL" not in sys.modules
"""
    states = ["off", "on"] if align.can_decode_heic() else ["off"]
    root = Path(__file__).resolve().parents[3]
    for state in states:
        subprocess.run([sys.executable, "-c", program, state], cwd=root, check=True)


def test_a_missing_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_pi_heif", None)
    with pytest.raises(align.UnsupportedFormat, match="pi-heif"):
        align.decode(seed("plain"))
