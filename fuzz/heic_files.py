"""HEIC files put together from boxes, around HEVC pictures that heif-enc made (fuzz/seeds/heic).

`make_seeds` needs heif-enc (Debian's libheif-examples); everything else takes what it made.
"""

import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from align.heif import HeifFile

SEEDS = Path(__file__).resolve().parent / "seeds" / "heic"
IDENTITY = 1  # the item that is the primary picture in what `heic` writes
Properties = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Item:
    """One item of a file: its type, data and properties."""

    kind: bytes
    data: bytes
    properties: Properties = ()


@dataclass(frozen=True)
class Layout:
    """A file: items numbered from 1, and what else there is to say wrongly."""

    items: Sequence[Item]
    references: Sequence[tuple[bytes, int, tuple[int, ...]]] = ()
    primary: int = IDENTITY
    brands: bytes = b"heic\0\0\0\0mif1heic"
    changes: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # item: extent instead

    def file(self) -> bytes:
        """The bytes: ftyp, meta, mdat."""
        head = box(b"ftyp", self.brands)
        length = len(head) + len(self._meta(0))
        data = b"".join(item.data for item in self.items)
        return head + self._meta(length + 8) + box(b"mdat", data)

    def _meta(self, offset: int) -> bytes:
        infos, places = [], []
        for number, item in enumerate(self.items, start=1):
            infos.append(full_box(b"infe", struct.pack(">HH4s", number, 0, item.kind) + b"\0", 2))
            place = self.changes.get(number, (offset, len(item.data)))
            places.append(struct.pack(">HHHII", number, 0, 1, *place))
            offset += len(item.data)
        count = struct.pack(">H", len(self.items))
        return full_box(
            b"meta",
            full_box(b"hdlr", b"\0\0\0\0pict" + bytes(13))
            + full_box(b"pitm", struct.pack(">H", self.primary))
            + full_box(b"iinf", count + b"".join(infos))
            + self._references()
            + self._properties()
            + full_box(b"iloc", b"\x44\0" + count + b"".join(places)),
        )

    def _references(self) -> bytes:
        boxes = [
            box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))
            for kind, source, targets in self.references
        ]
        return full_box(b"iref", b"".join(boxes)) if boxes else b""

    def _properties(self) -> bytes:
        known: list[tuple[bytes, bytes]] = []
        entries = []
        for number, item in enumerate(self.items, start=1):
            for each in item.properties:
                if each not in known:
                    known.append(each)
            indices = [0x8000 | known.index(each) + 1 for each in item.properties]
            entries.append(struct.pack(f">HB{len(indices)}H", number, len(indices), *indices))
        container = box(b"ipco", b"".join(box(kind, payload) for kind, payload in known))
        table = struct.pack(">I", len(entries)) + b"".join(entries)
        return box(b"iprp", container + full_box(b"ipma", table, flags=1))


def box(kind: bytes, payload: bytes) -> bytes:
    """A box with its length."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def full_box(kind: bytes, payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def size(width: int, height: int) -> tuple[bytes, bytes]:
    """The property that says the stored size."""
    return b"ispe", struct.pack(">III", 0, width, height)


def turn(quarters: int) -> tuple[bytes, bytes]:
    """The property that turns a picture by quarters, anticlockwise."""
    return b"irot", bytes([quarters])


def mirror(axis: int) -> tuple[bytes, bytes]:
    """The property that mirrors a picture: 0 top to bottom, 1 left to right."""
    return b"imir", bytes([axis])


def crop(width: int, height: int) -> tuple[bytes, bytes]:
    """The property that keeps the middle of a picture."""
    return b"clap", struct.pack(">8I", width, 1, height, 1, 0, 1, 0, 1)


def picture_of(data: bytes) -> Item:
    """The coded picture of a file that heif-enc made of one picture."""
    file = HeifFile(data)
    item = next(number for number, kind in file.kinds.items() if kind == b"hvc1")
    properties = [(each.kind, each.payload) for each in file.properties[item]]
    kept = tuple(each for each in properties if each[0] in (b"hvcC", b"ispe"))
    return Item(b"hvc1", file.content(item), kept)


def grid(rows: int, columns: int, width: int, height: int, *more: tuple[bytes, bytes]) -> Item:
    """A picture made of tiles."""
    data = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    return Item(b"grid", data, (size(width, height), *more))


def tiled(tile: Item, rows: int, columns: int, width: int, height: int) -> bytes:
    """A file whose picture shows the same tile again and again, each time from its own data."""
    tiles = [tile] * (rows * columns)
    numbers = tuple(range(2, 2 + len(tiles)))
    items = [grid(rows, columns, width, height), *tiles]
    return Layout(items, [(b"dimg", 1, numbers)]).file()


def with_properties(item: Item, *more: tuple[bytes, bytes]) -> Item:
    """The item with more properties, behind those it has."""
    return Item(item.kind, item.data, (*item.properties, *more))


def seed(name: str) -> bytes:
    """One of the files that heif-enc made."""
    return (SEEDS / f"{name}.heic").read_bytes()


def encode(picture: bytes, *options: str, suffix: str = "png") -> bytes:
    """A PNG or JPEG as HEIC, by heif-enc. Raises FileNotFoundError where that is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"in.{suffix}"), Path(folder, "out.heic")
        source.write_bytes(picture)
        command = ["heif-enc", *options, str(source), "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        return target.read_bytes()
