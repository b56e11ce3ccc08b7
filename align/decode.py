"""Bytes of a picture -> an upright uint8 RGB picture, with every limit checked first."""

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from align.errors import ImageTooLarge, InvalidImage
from align.headers import read_header
from align.jpeg import jpeg_end
from align.opencv import cv2
from align.png import transparent_grey
from align.silence import silence
from align.types import Header, Picture, Pixels

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DEFAULT_MAX_PIXELS = 40_000_000
DEFAULT_MAX_SIDE = 16_384

# Transparent pictures are laid over white in strips of about so many pixels: they stay in the
# processor's cache, and no second copy of the picture is ever in memory.
STRIP_PIXELS = 1 << 17
# What decoders put in place of missing data: middle grey, for each ink (CMYK) and for YCCK.
MISSING = frozenset({128, 65, 64})
# More data, repeated after each restart marker, which ends an interval that ran out.
_RUN = bytes(range(1, 241)) * 4
FILLER = _RUN + b"".join(bytes((0xFF, marker)) + _RUN for marker in range(0xD0, 0xD8))

# OpenCV does not treat anything shorter as a WebP; what follows a RIFF container is not read.
SHORTEST_WEBP = 32
# Samples of a 12-bit sensor, stored as they are in 16 bits, stay below this.
TWELVE_BITS = 1 << 12

# Orientation is applied here, for all three formats alike, not by OpenCV.
STORED = int(cv2.IMREAD_IGNORE_ORIENTATION)
RGB = STORED | int(cv2.IMREAD_COLOR_RGB)
# The grey names carry only the scale bits; together with IMREAD_COLOR_RGB they give colour.
SCALED = {
    1: 0,
    2: int(cv2.IMREAD_REDUCED_GRAYSCALE_2),
    4: int(cv2.IMREAD_REDUCED_GRAYSCALE_4),
    8: int(cv2.IMREAD_REDUCED_GRAYSCALE_8),
}


def decode(
    data: bytes,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_side: int = DEFAULT_MAX_SIDE,
    reduction: int = 1,
    header: Header | None = None,
) -> Picture:
    """Decode a still picture to upright uint8 RGB.

    Grey and CMYK become RGB, 16 bits are scaled to 8, transparent pixels are laid over white,
    EXIF orientation is applied.

    Args:
        data: the encoded picture.
        max_pixels: largest allowed width times height, before any reduction; of a picture of 16
            bits a sample and of a lossless WebP, which take twice the memory, half as many.
        max_side: longest allowed side in pixels, before any reduction.
        reduction: 1, 2, 4 or 8. A JPEG is decoded at that fraction of its size (fewer DCT
            coefficients, so less work); other formats ignore it.
        header: what `read_header` said of the same bytes, if it was already called.

    Raises:
        ValueError: another reduction.
        UnsupportedFormat: not a JPEG, PNG, WebP or HEIC, an animation, or a HEIC without pi-heif.
        ImageTooLarge: beyond a limit; known from the header, so nothing was decoded.
        InvalidImage: damaged or cut short.
        MemoryError: the decoder got too little memory.
    """
    if reduction not in SCALED:
        raise ValueError(f"unknown reduction {reduction}: choose from {sorted(SCALED)}")
    header = header or read_header(data)
    check_limits(header, max_pixels, max_side)
    reduction = reduction if header.format == "jpeg" else 1
    stored = _decode_stored(data, header, reduction)
    _check_size(header, stored, reduction)
    if header.format == "jpeg" and _ends_early(data, header, stored, reduction):
        raise InvalidImage("the JPEG is cut short: a part of its picture is missing")
    width, height = header.upright_size
    return Picture(_upright(stored, header.orientation), width, height, reduction)


def check_limits(
    header: Header, max_pixels: int = DEFAULT_MAX_PIXELS, max_side: int = DEFAULT_MAX_SIDE
) -> None:
    """Raises ImageTooLarge for what `decode` would refuse with the same limits."""
    size = {"width": header.width, "height": header.height}
    tiles = " with tiles and transparency" if header.coded_pixels else ""
    heavy = _memory_reason(header)
    max_pixels = max_pixels // 2 if heavy else max_pixels
    decoded = header.coded_pixels * 8 // 9  # an eighth more for padding and tiles at the edges
    if max(header.width * header.height, decoded) > max_pixels:
        raise ImageTooLarge(
            f"{header.width} x {header.height}{tiles} is more than {max_pixels} pixels{heavy}",
            max_pixels=max_pixels,
            **size,
        )
    if max(header.width, header.height) > max_side:
        raise ImageTooLarge(
            f"{header.width} x {header.height}: a side is longer than {max_side} pixels",
            max_side=max_side,
            **size,
        )


def _memory_reason(header: Header) -> str:
    """Why a picture takes twice the memory, for the message; empty where it does not."""
    if header.depth > 8:
        return f" of {header.depth} bits"
    return " of a lossless WebP" if header.lossless else ""


def _decode_stored(data: bytes, header: Header, reduction: int) -> Pixels:
    if header.format == "heic":
        return _decode_heic(data, header)
    if header.format == "webp":
        data = data.ljust(SHORTEST_WEBP, b"\0")
    if header.alpha:
        return _decode_alpha(data, header)
    return _decode_opaque(data, header, reduction)


def _decode_opaque(data: bytes, header: Header, reduction: int) -> Pixels:
    pixels = _decode_pixels(data, reduction)
    if header.depth == 8 or pixels.max() >= TWELVE_BITS >> 8:
        return pixels
    del pixels  # so that there is room for the samples
    samples = _decode_with(data, RGB | int(cv2.IMREAD_ANYDEPTH))
    return _to_eight_bits(samples, _significant_bits(samples))


def _decode_with(data: bytes, flags: int) -> Pixels:
    try:
        with silence:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:  # not the picture's fault
            raise MemoryError("not enough memory to decode the picture") from error
        raise InvalidImage("the picture cannot be decoded") from error
    if pixels is None:
        raise InvalidImage("the picture is damaged and cannot be decoded")
    decoded: Pixels = pixels
    return decoded


def _decode_pixels(data: bytes, reduction: int) -> Pixels:
    return _decode_with(data, RGB | SCALED[reduction])


def _significant_bits(samples: Samples) -> int:
    """12 where those of a 12-bit sensor were stored without scaling them to 16; otherwise 16."""
    return 12 if samples.max() < TWELVE_BITS else 16


def _to_eight_bits(samples: Samples, bits: int) -> Pixels:
    """The upper 8 of so many bits; changes `samples`, as a copy could be 120 MB."""
    np.right_shift(samples, bits - 8, out=samples)
    return samples.astype(np.uint8)


def _ends_early(data: bytes, header: Header, pixels: Pixels, reduction: int) -> bool:
    """Whether a JPEG's data ended before its picture did.

    The decoder then fills the rest with middle grey and reports no error. Where the last pixel is
    of that grey, or the header leaves it open, decode again with more data before the end marker: a
    whole picture does not change.
    """
    if not header.unsure_end and not MISSING.issuperset(pixels[-1, -1].tolist()):
        return False
    end = jpeg_end(data)
    longer = data[:end] + FILLER + data[end:]
    return not np.array_equal(_decode_pixels(longer, reduction), pixels)


def _decode_alpha(data: bytes, header: Header) -> Pixels:
    """Lay a picture with transparency over white, as a viewer's page would show it."""
    stored = _decode_with(data, STORED | int(cv2.IMREAD_UNCHANGED))
    if stored.ndim != 3 or stored.shape[2] != 4:  # transparency announced, none stored
        pixels = _decode_opaque(data, header, reduction=1)
        key = transparent_grey(data)
        if stored.ndim == 2 and key is not None:
            pixels[stored == key] = 255
        return pixels
    return _laid_over_white(stored)


def can_decode_heic() -> bool:
    """Whether the optional decoder of HEIC is installed; looks for it, but does not import it."""
    return find_spec("_pi_heif") is not None


def _decode_heic(data: bytes, header: Header) -> Pixels:
    from align.heic import decode_heic

    stored = decode_heic(data, header)
    return _laid_over_white(stored) if header.alpha else stored


def _laid_over_white(stored: Pixels) -> Pixels:
    """uint8[h,w,3] RGB of [h,w,4] BGRA, in strips."""
    height, width = stored.shape[:2]
    pixels = np.empty((height, width, 3), np.uint8)
    bits = _significant_bits(stored) if stored.dtype == np.uint16 else 8
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = stored[top : top + rows]
        pixels[top : top + rows] = _over_white(_to_eight_bits(strip, bits) if bits > 8 else strip)
    return pixels


def _over_white(strip: Pixels) -> Pixels:
    """uint8[h,w,3] RGB of uint8[h,w,4] BGRA, in integers."""
    lit = cv2.cvtColor(cv2.cvtColor(strip, cv2.COLOR_RGBA2mRGBA), cv2.COLOR_BGRA2RGB)
    shade = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(strip, 3)), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.add(lit, shade), np.uint8)


def _check_size(header: Header, pixels: Pixels, reduction: int) -> None:
    expected = (-(-header.height // reduction), -(-header.width // reduction))
    if pixels.shape[:2] != expected or pixels.dtype != np.uint8:
        raise InvalidImage("the decoded picture differs in size from its header")


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo EXIF orientations 2..8 (Exif 2.32, 4.6.4, tag Orientation)."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else np.asarray(cv2.flip(pixels, flip), np.uint8)
