"""Orientation from EXIF blocks, sound and hostile."""

import struct

import pytest

from align.exif import read_orientation


def block(order: str, value: int, *, kind: int = 3, count: int = 1) -> bytes:
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(order + "HHIHH", 0x0112, kind, count, value, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\x00\x00"])
def test_reads_both_byte_orders_with_and_without_prefix(order: str, prefix: bytes) -> None:
    assert read_orientation(prefix + block(order, 6)) == 6


def test_finds_the_tag_behind_others() -> None:
    other = struct.pack("<HHII", 0x010F, 2, 4, 0)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 8, 0)
    assert read_orientation(b"II*\x00" + struct.pack("<IH", 8, 2) + other + entry) == 8


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_value_out_of_range_means_upright(value: int) -> None:
    assert read_orientation(block("<", value)) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"II*\x00",
        b"II*\x00" + struct.pack("<I", 0xFFFFFFFF),
        b"II*\x00" + struct.pack("<IH", 8, 0xFFFF),
        b"II*\x00" + struct.pack("<I", 0),
        b"JUNKJUNKJUNK",
        block("<", 6, kind=2),
        block("<", 6, count=7),
        block("<", 6)[:-3],
    ],
)
def test_a_damaged_block_means_upright(damaged: bytes) -> None:
    assert read_orientation(damaged) == 1
