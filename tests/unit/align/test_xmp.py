"""Orientation from XMP, where EXIF has none: as Pillow's exif_transpose."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

import align
from align.xmp import read_xmp_orientation
from fixtures.odd_pictures import orientation_exif, with_xmp

ATTRIBUTE = 'tiff:Orientation="6"/>'
ELEMENT = "><tiff:Orientation>6</tiff:Orientation></rdf:Description>"
KINDS = ["jpeg", "png", "webp"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [ATTRIBUTE, ELEMENT])
def test_a_picture_is_turned_by_its_xmp_as_pillow_turns_it(kind: str, text: str) -> None:
    data = with_xmp(kind, text)
    picture = align.decode(data)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (picture.width, picture.height) == turned.size == (48, 64)
    difference = np.abs(picture.pixels.astype(int) - np.asarray(turned.convert("RGB")))
    assert difference.max() <= 4  # decoders of JPEG and WebP round differently


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1, 3])
def test_exif_comes_first(kind: str, value: int) -> None:
    data = with_xmp(kind, ATTRIBUTE, orientation_exif(value))
    assert align.read_header(data).orientation == value


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_exif_block_leaves_it_to_xmp(kind: str) -> None:
    assert align.read_header(with_xmp(kind, ATTRIBUTE, b"II*\0")).orientation == 6


@pytest.mark.parametrize("value", ["0", "9", "12", "", "six"])
def test_a_value_out_of_range_means_upright(value: str) -> None:
    assert read_xmp_orientation(f'tiff:Orientation="{value}"'.encode()) == 1


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("text", ["tiff:Orientation='%d'", 'tiff:Orientation = \n"%d"'])
def test_every_value_is_read_in_any_quotes(text: str, value: int) -> None:
    assert read_xmp_orientation((text % value).encode()) == value


def test_a_long_packet_of_spaces_is_searched_once() -> None:
    packet = b"tiff:Orientation" + b" " * 5_000_000
    assert read_xmp_orientation(packet) == 1
