"""Orientation from EXIF blocks, sound and hostile."""

import struct

import numpy as np
import pytest

import align
from align.exif import read_orientation
from fixtures.odd_pictures import orientation_exif, with_exif


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\x00\x00"])
def test_reads_both_byte_orders_with_and_without_prefix(order: str, prefix: bytes) -> None:
    assert read_orientation(prefix + orientation_exif(6, order=order)) == 6


def test_finds_the_tag_behind_others() -> None:
    other = struct.pack("<HHII", 0x010F, 2, 4, 0)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 8, 0)
    assert read_orientation(b"II*\x00" + struct.pack("<IH", 8, 2) + other + entry) == 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("value", range(1, 9))
def test_reads_byte_short_and_long(order: str, kind: int, value: int) -> None:
    assert read_orientation(orientation_exif(value, kind, order)) == value


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("file", ["jpeg", "png", "webp"])
def test_every_format_is_turned_upright_by_every_type(file: str, kind: int, order: str) -> None:
    picture = align.decode(with_exif(file, orientation_exif(6, kind, order)))
    assert (picture.width, picture.height) == (48, 64)
    stored = align.decode(with_exif(file, orientation_exif(1))).pixels
    assert (picture.pixels == np.rot90(stored, -1)).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", [0, 9, 65536 + 6, 2**32 - 1])
def test_a_long_out_of_range_means_upright(value: int, order: str) -> None:
    assert read_orientation(orientation_exif(value, 4, order)) == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_value_out_of_range_means_upright(value: int) -> None:
    assert read_orientation(orientation_exif(value)) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"II*\x00",
        b"II*\x00" + struct.pack("<I", 0xFFFFFFFF),
        b"II*\x00" + struct.pack("<IH", 8, 0xFFFF),
        b"II*\x00" + struct.pack("<I", 0),
        b"JUNKJUNKJUNK",
        orientation_exif(6, kind=2),
        orientation_exif(6, count=7),
        orientation_exif(6)[:-8],
    ],
)
def test_a_damaged_block_has_no_orientation(damaged: bytes) -> None:
    assert read_orientation(damaged) is None
