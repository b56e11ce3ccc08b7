"""JPEG headers: where markers are found, which kinds are read, which scans have to be there."""

import random
import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest

import align
from align.silence import silence
from fixtures import odd_pictures as odd
from fixtures.hostile_pictures import encode, jpeg_behind_padding, jpeg_of_frame, scene
from fixtures.jpeg_scans import put_together, refines, scans_of, take_apart, with_scans

Encode = Callable[..., bytes]


def by_opencv(data: bytes) -> np.ndarray | None:
    """uint8[h,w,3] BGR as OpenCV decodes it without our help; None where it does not."""
    try:
        with silence:
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


@pytest.mark.parametrize(
    "junk",
    [
        b"?>",
        b"\0" * 1000,
        b"\xff" * 1000,
        b"\xff\0",
        b"\xff\0\0\x40",
        b"\xff\x01",
        b"\xff\xd3",
        b"\xff\xfe\0\0",
        b"\xff\xfe\0\x01",
        b"\xff\xe5\0\x02",
    ],
)
def test_bytes_between_segments_are_skipped_as_the_decoder_skips_them(junk: bytes) -> None:
    data = odd.jpeg_with_junk(junk)
    expected = align.decode(encode("jpg")).pixels
    assert by_opencv(data) is not None
    assert (align.decode(data).pixels == expected).all()


@pytest.mark.parametrize("marker", [b"\xff\xd8", b"\xff\xd9", b"\xff\x02", b"\xff\xc0\x00\x02"])
def test_bytes_at_which_the_decoder_stops_are_damage(marker: bytes) -> None:
    first, *rest = take_apart(encode("jpg"))
    data = put_together([first, marker, *rest])
    assert by_opencv(data) is None
    with pytest.raises(align.InvalidImage):
        align.decode(data)


def test_a_frame_behind_padding_is_seen_as_the_decoder_sees_it() -> None:
    data = jpeg_behind_padding(64, 48)
    header = align.read_header(data)
    assert (header.width, header.height) == (64, 48)
    with pytest.raises(align.ImageTooLarge):
        align.decode(data, max_pixels=64 * 48 - 1)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` with one or two places changed, most of them before its pixels."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2))):
        place = dice.randrange(2, dice.choice((60, 700, len(changed))))
        what = dice.randrange(4)
        if what == 0:
            changed[place] = dice.choice((0, 1, 255, 0xC0, 0xC2, 0xD8, 0xDA, dice.randrange(256)))
        elif what == 1:
            del changed[place : place + dice.randrange(1, 40)]
        elif what == 2:
            changed[place:place] = dice.choice((b"\xff", b"\xff\0", b"?", b"\xff\xfe\0\0"))
        else:
            source = dice.randrange(2, len(changed))
            changed[place:place] = changed[source : source + dice.randrange(1, 200)]
    return bytes(changed)


def test_no_picture_is_decoded_at_another_size_than_its_header_gives() -> None:
    dice = random.Random(7)
    both = 0
    for _ in range(3000):
        data = mutated(dice.choice((encode("jpg"), odd.progressive())), dice)
        try:
            header = align.read_header(data)
        except align.AlignError:
            continue
        if header.width * header.height < 1_000_000 and (pixels := by_opencv(data)) is not None:
            assert pixels.shape[:2] == header.upright_size[::-1]
            both += 1
    assert both > 500


@pytest.mark.parametrize("marker", [0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xCD, 0xDE, 0xF7])
def test_kinds_that_nobody_reads_are_unsupported(marker: int) -> None:
    with pytest.raises(align.UnsupportedFormat):
        align.read_header(jpeg_of_frame(marker))


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2])
def test_twelve_bits_are_unsupported(marker: int) -> None:
    data = odd.twelve_bit_jpeg().replace(b"\xff\xc1", bytes((0xFF, marker)))
    with pytest.raises(align.UnsupportedFormat, match="12 bits"):
        align.read_header(data)


def test_a_height_behind_the_scan_is_unsupported_and_the_message_says_so() -> None:
    data = odd.jpeg_with_late_height()
    assert by_opencv(data) is None
    with pytest.raises(align.UnsupportedFormat, match="DNL"):
        align.read_header(data)


def test_a_height_of_zero_that_nothing_completes_is_damage() -> None:
    data = odd.jpeg_with_late_height().replace(b"\xff\xdc", b"\xff\xfe")
    with pytest.raises(align.InvalidImage, match="size of zero"):
        align.read_header(data)


@pytest.mark.parametrize("channels", [2, 5])
def test_numbers_of_channels_without_a_meaning_are_unsupported(channels: int) -> None:
    names = range(1, channels + 1)
    size = struct.pack(">BHHB", 8, 48, 64, channels)
    frame = size + b"".join(bytes((name, 0x11, 0)) for name in names)
    segment = b"\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame
    segments = [segment if each[1] == 0xC0 else each for each in take_apart(encode("jpg"))]
    with pytest.raises(align.UnsupportedFormat, match="channels"):
        align.read_header(put_together(segments))


@pytest.mark.parametrize("count", range(1, 11))
def test_a_progressive_jpeg_needs_all_scans_but_those_that_refine(count: int) -> None:
    data = odd.progressive()
    scans = scans_of(data)
    assert [refines(scan) for scan in scans] == [False] * 5 + [True] * 5
    cut = with_scans(data, range(count))
    if count < 5:
        with pytest.raises(align.InvalidImage, match="scans of its picture are missing"):
            align.decode(cut)
    else:
        whole = align.decode(data).pixels.astype(int)
        assert np.abs(align.decode(cut).pixels - whole).mean() < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_need_their_scans_too(
    mode: str, collins: align.Picture, encode: Encode
) -> None:
    data = encode(collins.pixels, "jpeg", mode=mode, progressive=True)
    needed = sum(not refines(scan) for scan in scans_of(data))
    assert align.decode(with_scans(data, range(needed))).width == collins.width
    for count in range(1, needed):
        with pytest.raises(align.InvalidImage, match="scans of its picture are missing"):
            align.read_header(with_scans(data, range(count)))


@pytest.mark.parametrize("missing", range(5))
def test_no_single_scan_that_is_needed_may_be_missing(missing: int) -> None:
    with pytest.raises(align.InvalidImage, match="scans of its picture are missing"):
        align.read_header(odd.progressive_without(missing))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_a_scan_of_detail_that_is_cut_short_is_noticed(share: float) -> None:
    with pytest.raises(align.InvalidImage, match="cut short"):
        align.decode(odd.cut_in_a_scan(4, share))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_a_refinement_may_be_cut_short(share: float) -> None:
    assert align.decode(odd.cut_in_a_scan(5, share)).width == 64


def test_whole_pictures_without_refinements_are_read() -> None:
    data = odd.without_refinements()
    assert align.read_header(data).unsure_end
    assert align.decode(data).width == 64


def test_every_component_of_a_sequential_jpeg_has_to_come() -> None:
    picture = align.decode(odd.jpeg_in_scans(3)).pixels
    assert np.abs(picture.astype(int) - scene()[..., ::-1]).mean() < 4
    for count in (1, 2):
        with pytest.raises(align.InvalidImage, match="scans of its picture are missing"):
            align.decode(odd.jpeg_in_scans(count))


def test_a_scan_of_a_component_that_the_frame_does_not_have_is_damage() -> None:
    *tables, scan = take_apart(encode("jpg"))
    with pytest.raises(align.InvalidImage, match="contradicts"):
        align.read_header(put_together([*tables, scan[:5] + b"\x09" + scan[6:]]))
