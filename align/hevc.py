"""What an HEVC picture inside a HEIC file says about itself, read without a decoder.

A decoder allocates memory for what the sequence parameter set says, whatever the container around
it says, and decodes as many pictures as there are. Both are read here first.

Source: ITU-T H.265 (V10), sections 7.3.1 (units), 7.3.2.2 (sequence parameter set), 7.3.3
(profile, tier and level) and table 7-1; ISO/IEC 14496-15, section 8.3.3.1 (hvcC).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from align.errors import InvalidImage, UnsupportedFormat

SEQUENCE_PARAMETERS = 33
# Units below 32 hold slices; those of 16 to 23 begin a picture that needs no other one.
FIRST_OTHER_UNIT = 32
RANDOM_ACCESS = range(16, 24)
# Level 6.2 allows 600 slices; parameter sets and messages come on top.
MAX_UNITS = 1024
# The parameters that are read lie in their first bytes.
SPS_BYTES = 256
CHROMA_444 = 3


@dataclass(frozen=True)
class CodedPicture:
    """The size of a coded picture in pixels, and its bits a sample (the larger of the two)."""

    width: int
    height: int
    depth: int

    @property
    def pixels(self) -> int:
        """Pixels that are decoded, padding to whole blocks not counted."""
        return self.width * self.height


def read_picture(configuration: bytes, data: bytes) -> CodedPicture:
    """The one picture of an item: its hvcC box and its data.

    Raises InvalidImage for none, several, or units that reach beyond their end; struct.error and
    IndexError where a structure is cut short.
    """
    units = [
        *_read_configured_units(configuration),
        *_read_length_prefixed_units(data, 1 + (configuration[21] & 3)),
    ]
    if len(units) > MAX_UNITS:
        raise InvalidImage("the HEIC has too many HEVC units")
    sizes = {_read_parameters(unit) for unit in units if _unit_type(unit) == SEQUENCE_PARAMETERS}
    if len(sizes) != 1:
        raise InvalidImage("the HEIC has no size in its HEVC data, or several")
    slices = [unit for unit in units if _unit_type(unit) < FIRST_OTHER_UNIT]
    if any(_unit_type(unit) not in RANDOM_ACCESS for unit in slices):
        raise InvalidImage("the HEIC picture depends on other pictures, which are missing")
    # Of each picture's slices one says that it is the first.
    if sum(unit[2] >> 7 for unit in slices) != 1:
        raise InvalidImage("an item of the HEIC does not hold exactly one picture")
    return sizes.pop()


def _unit_type(unit: bytes) -> int:
    return unit[0] >> 1 & 0x3F


def _read_configured_units(box: bytes) -> Iterator[bytes]:
    """The units of an hvcC box."""
    position = 23
    for _ in range(box[22]):
        (count,) = struct.unpack_from(">H", box, position + 1)
        position += 3
        for _ in range(min(count, MAX_UNITS + 1)):
            (length,) = struct.unpack_from(">H", box, position)
            yield _slice_unit(box, position + 2, length)
            position += 2 + length


def _read_length_prefixed_units(data: bytes, prefix: int) -> Iterator[bytes]:
    """The units of an item's data; only the beginning of each, which is all that is looked at."""
    position = 0
    for _ in range(MAX_UNITS + 1):
        if position >= len(data):
            return
        length = int.from_bytes(data[position : position + prefix], "big")
        yield _slice_unit(data, position + prefix, length)
        position += prefix + length


def _slice_unit(data: bytes, start: int, length: int) -> bytes:
    if length < 3 or start + length > len(data):
        raise InvalidImage("the HEIC is cut short: its HEVC data ends inside a unit")
    return data[start : start + min(length, SPS_BYTES)]


def _read_parameters(unit: bytes) -> CodedPicture:
    """Size and depth of a sequence parameter set."""
    bits = _Bits(unit[2:].replace(b"\x00\x00\x03", b"\x00\x00"))
    bits.skip(4)
    layers = bits.take(3)
    bits.skip(1)
    _skip_profile(bits, layers)
    bits.number()
    chroma = bits.number()
    separate = chroma == CHROMA_444 and bits.take(1)
    if chroma > CHROMA_444 or separate:
        raise UnsupportedFormat("HEIC with this chroma format is not supported")
    width, height = bits.number(), bits.number()
    if bits.take(1):  # what is cut off at the edges
        for _ in range(4):
            bits.number()
    return CodedPicture(width, height, 8 + max(bits.number(), bits.number()))


def _skip_profile(bits: "_Bits", layers: int) -> None:
    bits.skip(96)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)


class _Bits:
    """Reads bits from the front. Raises InvalidImage behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise InvalidImage("the HEIC is cut short: its HEVC parameters end too early")
        return self._value >> self._left & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        """Passes over `count` bits."""
        self.take(count)

    def number(self) -> int:
        """An unsigned Exp-Golomb number (section 9.2)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise InvalidImage("the HEIC is damaged: a number in its HEVC parameters")
        return (1 << zeros) - 1 + self.take(zeros)
