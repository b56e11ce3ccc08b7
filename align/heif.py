"""The boxes of a HEIC file that lead to its primary picture, read without a decoder.

Every walk is bounded, every item is read once, and contradictions are refused: a decoder might
interpret them differently.

Source: ISO/IEC 14496-12 (boxes, sections 4.2 and 8.11), ISO/IEC 23008-12 (items, sections 6 and 9).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from align.errors import InvalidImage, UnsupportedFormat

# An iPhone's 48 megapixels are 192 tiles and some ten items; libheif allows 1,000 items.
MAX_ITEMS = 1000
MAX_EXTENTS = 32
MAX_BOXES = 4096
# An iPhone's has 5 KB; pixels lie outside.
MAX_META_BYTES = 256 * 1024
IN_FILE, IN_META = 0, 1
NEEDED = (b"pitm", b"iinf", b"iprp", b"iloc")
ONCE = frozenset({*NEEDED, b"iref", b"idat"})


@dataclass(frozen=True)
class Box:
    """One box: its type, and where its payload begins and ends."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Property:
    """A property of an item: its box's type and payload."""

    kind: bytes
    payload: bytes


@dataclass(frozen=True)
class Extent:
    """A part of an item's data: `method` says whether `offset` counts in the file or in `idat`."""

    method: int
    offset: int
    length: int


class HeifFile:
    """The tables of a HEIC file.

    Raises, also from its properties, InvalidImage for what is cut short or contradicts itself,
    UnsupportedFormat for a file without a still picture, and struct.error or IndexError where a
    structure ends too early.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._boxes = self._read_meta()

    def _read_meta(self) -> Mapping[bytes, Box]:
        metas = [box for box in read_boxes(self.data, 0, len(self.data)) if box.kind == b"meta"]
        if not metas:
            raise UnsupportedFormat("the HEIC has no still picture; send a still picture")
        if len(metas) > 1 or metas[0].end - metas[0].start > MAX_META_BYTES:
            raise InvalidImage("the HEIC has several tables of contents, or one that is too long")
        found: dict[bytes, Box] = {}
        for box in read_boxes(self.data, metas[0].start + 4, metas[0].end):
            if box.kind in ONCE and box.kind in found:
                raise InvalidImage(f"the HEIC has two boxes {box_name(box.kind)}")
            found[box.kind] = box
        missing = [box_name(kind) for kind in NEEDED if kind not in found]
        if missing:
            raise InvalidImage(f"the HEIC has no box {missing[0]}")
        return found

    @cached_property
    def primary(self) -> int:
        """Id of the picture to show."""
        start = self._boxes[b"pitm"].start
        wide = self.data[start] > 0
        return _number(self.data, start + 4, 4 if wide else 2)

    @cached_property
    def kinds(self) -> Mapping[int, bytes]:
        """Item -> its type."""
        box = self._boxes[b"iinf"]
        wide = self.data[box.start] > 0
        found: dict[int, bytes] = {}
        for entry in read_boxes(self.data, box.start + (8 if wide else 6), box.end):
            version = self.data[entry.start]
            if entry.kind != b"infe" or version < 2:
                continue
            size = 4 if version > 2 else 2
            item = _number(self.data, entry.start + 4, size)
            if item in found or len(found) == MAX_ITEMS:
                raise InvalidImage("the HEIC has an item twice, or too many items")
            kind = entry.start + 4 + size + 2
            found[item] = self.data[kind : kind + 4]
        return found

    @cached_property
    def references(self) -> Mapping[tuple[bytes, int], tuple[int, ...]]:
        """(type, from item) -> to items."""
        box = self._boxes.get(b"iref")
        if box is None:
            return {}
        size = 4 if self.data[box.start] else 2
        letter = "I" if size == 4 else "H"
        found: dict[tuple[bytes, int], tuple[int, ...]] = {}
        for entry in read_boxes(self.data, box.start + 4, box.end):
            source = _number(self.data, entry.start, size)
            (count,) = struct.unpack_from(">H", self.data, entry.start + size)
            targets = struct.unpack_from(f">{count}{letter}", self.data, entry.start + size + 2)
            if (entry.kind, source) in found or entry.start + size * (count + 1) + 2 > entry.end:
                raise InvalidImage("the HEIC's references contradict each other")
            found[entry.kind, source] = targets
        return found

    @cached_property
    def properties(self) -> Mapping[int, tuple[Property, ...]]:
        """Item -> its properties, in the order in which they apply."""
        box = self._boxes[b"iprp"]
        tables = list(read_boxes(self.data, box.start, box.end))
        containers = [each for each in tables if each.kind == b"ipco"]
        if len(containers) != 1:
            raise InvalidImage("the HEIC has no properties, or several lists of them")
        all_properties = list(read_boxes(self.data, containers[0].start, containers[0].end))
        found: dict[int, tuple[Property, ...]] = {}
        for table in (each for each in tables if each.kind == b"ipma"):
            for item, indices in self._associations(table):
                if item in found:
                    raise InvalidImage("the HEIC gives an item its properties twice")
                found[item] = tuple(
                    self._property(all_properties, index) for index in indices if index
                )
        return found

    def _property(self, known: list[Box], index: int) -> Property:
        if index > len(known):
            raise InvalidImage("the HEIC names a property that it does not have")
        box = known[index - 1]
        return Property(box.kind, self.data[box.start : box.end])

    def _associations(self, box: Box) -> Iterator[tuple[int, list[int]]]:
        """(item, indices of its properties from 1) of an ipma box."""
        size = 4 if self.data[box.start] else 2
        wide = self.data[box.start + 3] & 1
        (count,) = struct.unpack_from(">I", self.data, box.start + 4)
        if count > MAX_ITEMS:
            raise InvalidImage("the HEIC has too many items with properties")
        position = box.start + 8
        for _ in range(count):
            item = _number(self.data, position, size)
            number = self.data[position + size]
            letter, mask = ("H", 0x7FFF) if wide else ("B", 0x7F)
            indices = struct.unpack_from(f">{number}{letter}", self.data, position + size + 1)
            position += size + 1 + number * (1 + wide)
            if position > box.end:
                raise InvalidImage("the HEIC's table of properties ends too early")
            yield item, [index & mask for index in indices]

    @cached_property
    def extents(self) -> Mapping[int, tuple[Extent, ...]]:
        """Item -> where its data lie, for the ways of storing them that decoders share."""
        box = self._boxes[b"iloc"]
        version = self.data[box.start]
        sizes = _number(self.data, box.start + 4, 2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        wide = 4 if version > 1 else 2
        count = _number(self.data, box.start + 6, wide)
        if count > MAX_ITEMS:
            raise InvalidImage("the HEIC has too many items")
        found: dict[int, tuple[Extent, ...]] = {}
        reader = _Reader(self.data, box.start + 6 + wide, box.end)
        for _ in range(count):
            item = reader.number(wide)
            method = reader.number(2) & 15 if version else IN_FILE
            elsewhere = reader.number(2)
            base, extents = reader.number(base_size), reader.number(2)
            if extents > MAX_EXTENTS or item in found:
                raise InvalidImage("the HEIC has an item in too many parts, or twice")
            parts = []
            for _ in range(extents):
                reader.number(index_size)
                offset, length = reader.number(offset_size), reader.number(length_size)
                parts.append(Extent(method, base + offset, length))
            found[item] = () if elsewhere else tuple(parts)
        return found

    def content(self, item: int) -> bytes:
        """The data of an item."""
        extents = self.extents.get(item, ())
        if not extents:
            raise InvalidImage("the HEIC has no data for its picture")
        return b"".join(self._read_extent(extent) for extent in extents)

    def _read_extent(self, extent: Extent) -> bytes:
        first, last = 0, len(self.data)
        if extent.method == IN_META and b"idat" in self._boxes:
            first, last = self._boxes[b"idat"].start, self._boxes[b"idat"].end
        elif extent.method != IN_FILE:
            raise UnsupportedFormat("HEIC with data stored in this way is not supported")
        start = first + extent.offset
        if extent.length < 1 or start + extent.length > last:
            raise InvalidImage("the HEIC is cut short: it ends inside its picture")
        return self.data[start : start + extent.length]


def read_boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between `start` and `end`, which they fill."""
    for _ in range(MAX_BOXES):
        if start == end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        if size == 0:
            size = end - start
        if size < header or start + size > end:
            raise InvalidImage("the HEIC is cut short: it ends inside a box")
        yield Box(kind, start + header, start + size)
        start += size
    raise InvalidImage("the HEIC has too many boxes")


def box_name(kind: bytes) -> str:
    """A box's type as text."""
    return kind.decode("ascii", "replace")


def _number(data: bytes, start: int, size: int) -> int:
    return _Reader(data, start, len(data)).number(size)


class _Reader:
    """Reads big-endian numbers one after another."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._position, self._end = data, start, end

    def number(self, size: int) -> int:
        """The next number of `size` bytes; 0 for a size of 0."""
        self._position += size
        if self._position > self._end:
            raise InvalidImage("the HEIC is cut short: it ends inside a table")
        return int.from_bytes(self._data[self._position - size : self._position], "big")
