"""HEIC files made to hurt, and the odd ones that cameras make, each with the codes of its answers.

As in hostile_pictures; built from what heif-enc made of the scene (fuzz/seeds/heic).
"""

import struct
from collections.abc import Mapping
from types import MappingProxyType

from fuzz.heic_files import (
    Item,
    Layout,
    box,
    crop,
    grid,
    mirror,
    picture_of,
    seed,
    size,
    tiled,
    turn,
    with_properties,
)
from fuzz.hostile_pictures import Maker

ALPHA = b"auxC", b"\0\0\0\0urn:mpeg:hevc:2015:auxid:1\0"
GAIN_MAP = b"auxC", b"\0\0\0\0urn:com:apple:photo:2020:aux:hdrgainmap\0"


def scene() -> Item:
    """The scene, 64 x 48."""
    return picture_of(seed("plain"))


def lone(*more: tuple[bytes, bytes]) -> bytes:
    """A file of the scene alone, with more properties."""
    return Layout([with_properties(scene(), *more)]).file()


def of_size(width: int, height: int) -> bytes:
    """The scene under a header that says another size."""
    item = scene()
    parameters = tuple(each for each in item.properties if each[0] == b"hvcC")
    return Layout([Item(item.kind, item.data, (*parameters, size(width, height)))]).file()


def with_second(kind: tuple[bytes, bytes]) -> bytes:
    """The scene with an auxiliary picture."""
    second = with_properties(picture_of(seed("grey")), kind)
    return Layout([scene(), second], [(b"auxl", 2, (1,))]).file()


def many_pictures(count: int) -> bytes:
    """An item that holds the same coded picture again and again."""
    item = scene()
    return Layout([Item(item.kind, item.data * count, item.properties)]).file()


def shared_tiles(count: int) -> bytes:
    """A grid whose tiles are all the same item."""
    item = grid(1, count, 64 * count, 48)
    return Layout([item, scene()], [(b"dimg", 1, (2,) * count)]).file()


def shared_data(count: int) -> bytes:
    """A grid whose tiles are items of their own with the same bytes."""
    items = [
        grid(1, count, 64 * count, 48),
        scene(),
        *[Item(b"hvc1", b"", scene().properties)] * (count - 1),
    ]
    layout = Layout(items, [(b"dimg", 1, tuple(range(2, count + 2)))])
    place = len(layout.file()) - len(scene().data), len(scene().data)
    changes = dict.fromkeys(range(2, count + 2), place)
    return Layout(items, layout.references, changes=changes).file()


def loop() -> bytes:
    """A grid whose only tile is itself."""
    return Layout([grid(1, 1, 64, 48)], [(b"dimg", 1, (1,))]).file()


def without_picture() -> bytes:
    """A sequence: a film without a still picture."""
    return box(b"ftyp", b"msf1\0\0\0\0heic") + box(b"moov", bytes(64))


def endless_items() -> bytes:
    """A table that says it has 65,535 items."""
    data = lone()
    place = data.index(b"iloc") + 10
    return data[:place] + b"\xff\xff" + data[place + 2 :]


def burst() -> bytes:
    """Two pictures of which the second is the one to show."""
    return Layout([picture_of(seed("grey")), scene()], primary=2).file()


HOSTILE_HEIC: Mapping[str, tuple[Maker, str]] = MappingProxyType(
    {
        "alone": (lone, "read"),
        "turned": (lambda: lone(turn(1)), "read"),
        "mirrored": (lambda: lone(mirror(1)), "read"),
        "cropped": (lambda: lone(crop(40, 30)), "read"),
        "cropped and turned": (lambda: lone(crop(40, 30), turn(3), mirror(0)), "read"),
        "turned twice": (lambda: lone(turn(1), turn(2)), "InvalidImage"),
        "cropped to nothing": (lambda: lone(crop(0, 30)), "InvalidImage"),
        "cropped to more": (lambda: lone(crop(65, 30)), "InvalidImage"),
        "tiled": (lambda: tiled(scene(), 2, 2, 100, 90), "read"),
        "tiled beyond its edge": (lambda: tiled(scene(), 2, 2, 64, 48), "InvalidImage"),
        "tiled too little": (lambda: tiled(scene(), 2, 2, 200, 90), "InvalidImage"),
        "of too many tiles": (lambda: tiled(scene(), 23, 23, 64 * 23, 48 * 23), "InvalidImage"),
        "of one tile many times": (lambda: shared_tiles(200), "InvalidImage"),
        "of tiles that share data": (lambda: shared_data(50), "InvalidImage"),
        "tile of itself": (loop, "UnsupportedFormat"),
        "with a gain map": (lambda: with_second(GAIN_MAP), "read"),
        "with transparency": (lambda: with_second(ALPHA), "read"),
        "burst": (burst, "read"),
        "sequence": (without_picture, "UnsupportedFormat"),
        "that claims too much": (lambda: of_size(65_535, 65_535), "InvalidImage"),
        "that claims too little": (lambda: of_size(16, 16), "InvalidImage"),
        "of size zero": (lambda: of_size(0, 0), "InvalidImage"),
        "of many pictures": (lambda: many_pictures(20), "InvalidImage"),
        "cut in half": (lambda: seed("plain")[: len(seed("plain")) // 2], "InvalidImage"),
        "cut by a byte": (lambda: seed("plain")[:-1], "InvalidImage"),
        "of endless items": (endless_items, "InvalidImage"),
        "of AV1": (lambda: lone().replace(b"hvc1", b"av01"), "UnsupportedFormat"),
        "without data": (
            lambda: Layout([Item(b"hvc1", b"", scene().properties)]).file(),
            "InvalidImage",
        ),
        "with a unit beyond its end": (
            lambda: Layout([Item(b"hvc1", struct.pack(">I", 1 << 31), scene().properties)]).file(),
            "InvalidImage",
        ),
        "of a brand alone": (lambda: box(b"ftyp", b"heic\0\0\0\0"), "UnsupportedFormat"),
        "of magic bytes alone": (lambda: b"\0\0\0\x18ftypheic", "UnsupportedFormat InvalidImage"),
    }
)
