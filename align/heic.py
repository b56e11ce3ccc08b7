"""HEIC, the format of iPhones: its header, and its pixels by libheif.

Of the pictures in a file (tiles, thumbnails, depth, gain maps, bursts) the primary one is read,
which is what every viewer shows. Orientation is a property of the item (`irot`, `imir`), applied by
libheif; that of an EXIF block repeats it and does not count (ISO/IEC 23008-12, section 6.5.10 and
annex A).

The decoder is optional: the package pi-heif, imported with the first such picture. Its binary part
is called directly, as its Python part would import Pillow and read every picture of the file.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from align.errors import InvalidImage, UnsupportedFormat
from align.heif import HeifFile, Property
from align.hevc import CodedPicture, read_picture
from align.opencv import cv2
from align.types import Header, Pixels

DEPTHS = range(8, 13)
TURNS = frozenset({b"clap", b"irot", b"imir"})
# ISO/IEC 23008-12, section 6.6.2.1, and what an older draft called it.
ALPHA = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:avc:2015:auxid:1",
)
# iPhones make tiles of 512 pixels a side: 192 for 48 megapixels.
MAX_TILES = 512


@dataclass(frozen=True)
class Part:
    """What one item costs to decode."""

    pixels: int
    coded_bytes: int
    depth: int


def read_heic(data: bytes) -> Header:
    """The primary picture of a HEIC file: size as it is shown, depth and what a decoder has to do.

    Raises:
        UnsupportedFormat: no still picture, or one put together in a way that cameras do not use.
        InvalidImage: cut short or inconsistent.
    """
    file = HeifFile(data)
    shown = _shown_size(file, file.primary)
    alphas = _alpha_items(file)
    parts = [part for item in (file.primary, *alphas) for part in _find_parts(file, item)]
    coded_bytes = sum(part.coded_bytes for part in parts)
    if coded_bytes > len(data):
        raise InvalidImage("the HEIC uses the same data several times")
    return Header(
        "heic",
        *shown,
        alpha=bool(alphas),
        depth=max(part.depth for part in parts),
        coded_pixels=sum(part.pixels for part in parts),
        coded_bytes=coded_bytes,
    )


def _shown_size(file: HeifFile, item: int) -> tuple[int, int]:
    """(width, height) once cropped and turned, in the order in which the file says so."""
    width, height = _stored_size(file, item)
    turns = [each for each in file.properties.get(item, ()) if each.kind in TURNS]
    if len({turn.kind for turn in turns}) < len(turns):
        raise InvalidImage("the HEIC is cropped or turned twice")
    for turn in turns:
        if turn.kind == b"clap":
            width, height = _crop_size(turn.payload, width, height)
        elif turn.kind == b"irot" and turn.payload[0] & 1:
            width, height = height, width
    return width, height


def _stored_size(file: HeifFile, item: int) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", _single_property(file, item, b"ispe"), 4)
    return width, height


def _crop_size(payload: bytes, width: int, height: int) -> tuple[int, int]:
    """The size of a clean aperture, which has to lie inside the picture."""
    columns, per_column, rows, per_row = struct.unpack_from(">4I", payload)
    if not per_column or not per_row or columns % per_column or rows % per_row:
        raise InvalidImage("the HEIC's crop does not end on whole pixels")
    cropped = columns // per_column, rows // per_row
    if not (0 < cropped[0] <= width and 0 < cropped[1] <= height):
        raise InvalidImage("the HEIC's crop is larger than its picture")
    return cropped


def _alpha_items(file: HeifFile) -> list[int]:
    """The items that hold the primary picture's transparency: one or none."""
    found = []
    for (kind, item), targets in file.references.items():
        if kind != b"auxl" or not _is_alpha(file, item):
            continue
        if targets != (file.primary,):
            raise UnsupportedFormat(
                "HEIC with the transparency of another picture is not supported"
            )
        found.append(item)
    if len(found) > 1 or any(kind == b"prem" for kind, _ in file.references):
        raise UnsupportedFormat("HEIC with premultiplied or repeated transparency is not supported")
    return found


def _is_alpha(file: HeifFile, item: int) -> bool:
    kinds = [each for each in file.properties.get(item, ()) if each.kind == b"auxC"]
    return any(each.payload[4:].split(b"\0")[0] in ALPHA for each in kinds)


def _find_parts(file: HeifFile, item: int) -> list[Part]:
    """What has to be decoded for a picture: itself, or its tiles."""
    kind = file.kinds.get(item)
    if kind == b"hvc1":
        return [_read_coded(file, item)]
    if kind == b"grid":
        return _tiles(file, item)
    raise UnsupportedFormat("HEIC whose picture is neither HEVC nor HEVC tiles is not supported")


def _tiles(file: HeifFile, item: int) -> list[Part]:
    """The tiles of a grid (ISO/IEC 23008-12, section 6.6.2.3)."""
    grid = file.content(item)
    rows, columns = grid[2] + 1, grid[3] + 1
    size = struct.unpack_from(">II" if grid[1] & 1 else ">HH", grid, 4)
    tiles = file.references.get((b"dimg", item), ())
    if size != _stored_size(file, item) or len(tiles) != rows * columns:
        raise InvalidImage("the HEIC's grid contradicts its size or the number of its tiles")
    if len(tiles) > MAX_TILES:
        raise InvalidImage(f"the HEIC has more than {MAX_TILES} tiles")
    for tile in tiles:
        if file.kinds.get(tile) != b"hvc1" or _has_turns(file.properties.get(tile, ())):
            raise UnsupportedFormat("HEIC whose tiles are not plain HEVC is not supported")
    sizes = {_stored_size(file, tile) for tile in tiles}
    if len(sizes) != 1 or not _tiles_cover(sizes.pop(), (columns, rows), size):
        raise InvalidImage("the HEIC's tiles do not cover its picture")
    return [_read_coded(file, tile) for tile in tiles]


def _tiles_cover(tile: tuple[int, int], count: tuple[int, int], size: tuple[int, ...]) -> bool:
    """Whether the tiles reach to the picture's edges, and none lies beyond."""
    return all(
        side * number >= whole > side * (number - 1)
        for side, number, whole in zip(tile, count, size, strict=True)
    )


def _has_turns(properties: Iterable[Property]) -> bool:
    return any(each.kind in TURNS for each in properties)


def _read_coded(file: HeifFile, item: int) -> Part:
    data = file.content(item)
    picture = read_picture(_single_property(file, item, b"hvcC"), data)
    _check_coded(picture, _stored_size(file, item))
    return Part(picture.pixels, len(data), picture.depth)


def _check_coded(picture: CodedPicture, size: tuple[int, int]) -> None:
    """The coded picture is the stored one, up to padding to blocks of at most 64 pixels."""
    for coded, stored in zip((picture.width, picture.height), size, strict=True):
        if not stored <= coded < stored + 64:
            raise InvalidImage("the HEIC's header and its HEVC data give different sizes")
    if picture.depth not in DEPTHS:
        raise UnsupportedFormat(f"HEIC with {picture.depth} bits per sample is not supported")


def _single_property(file: HeifFile, item: int, kind: bytes) -> bytes:
    """The one property of a kind."""
    found = [each.payload for each in file.properties.get(item, ()) if each.kind == kind]
    if len(found) != 1:
        raise InvalidImage("an item of the HEIC lacks its size or its parameters, or has several")
    return found[0]


def decode_heic(data: bytes, header: Header) -> Pixels:
    """uint8[h,w,3] RGB, or [h,w,4] BGRA where the header announces transparency.

    Raises:
        UnsupportedFormat: pi-heif is not installed.
        InvalidImage: damaged.
        MemoryError: the decoder got too little memory.
    """
    libheif = _decoder()
    try:
        # Threads; 8 bits a sample; BGR; no padding; 10 bits as 16; any decoder; limits stay on.
        pictures = libheif.load_file(data, 1, True, header.alpha, True, True, "", False)
        return _copy_pixels(
            [picture for picture in pictures if picture and picture.primary], header
        )
    except OSError as failure:
        if "limit" in str(failure).lower():
            raise InvalidImage("the HEIC exceeds a limit of its decoder") from failure
        raise MemoryError("not enough memory to decode the picture") from failure
    except (ValueError, EOFError, SyntaxError, RuntimeError) as failure:
        raise InvalidImage("the HEIC is damaged and cannot be decoded") from failure


def _copy_pixels(primary: list[Any], header: Header) -> Pixels:
    if len(primary) != 1:
        raise InvalidImage("the HEIC has no primary picture, or several")
    (width, height), mode = primary[0].size_mode
    grey = mode.startswith(("L", "I"))
    if (width, height) != (header.width, header.height) or mode.endswith("A") != header.alpha:
        raise InvalidImage("the decoded HEIC differs from its header")
    # Of 16 bits, little-endian, the upper 8. A copy, as the decoder's memory goes with its object.
    lent = np.frombuffer(primary[0].data, np.uint8)
    lent = lent[1::2] if "16" in mode else lent
    samples = lent.reshape(height, width, -1).copy()
    return _grey_to_colour(samples) if grey else samples


def _grey_to_colour(samples: Pixels) -> Pixels:
    """Grey [h,w,1] as RGB, or grey with transparency [h,w,2] as BGRA."""
    grey = cv2.cvtColor(samples[..., :1], cv2.COLOR_GRAY2RGB)
    if samples.shape[2] == 1:
        return np.asarray(grey, np.uint8)
    return np.concatenate([grey, samples[..., 1:]], axis=2)


def _decoder() -> Any:
    try:
        import _pi_heif
    except ImportError as failure:
        raise UnsupportedFormat(
            "reading HEIC needs the package pi-heif, which is not installed"
        ) from failure
    return _pi_heif
