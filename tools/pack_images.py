"""The file that both UAI packers write: `{"cnt": N, "images": [base64, ...]}`."""

import argparse
import base64
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import align

DEFAULT_OUT = Path("test.json")


def at_least(smallest: int) -> Callable[[str], int]:
    """For argparse: a whole number from `smallest` on."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {smallest}"
            )
        return int(text)

    return parse


def make_parser(
    module: str, description: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """The command line of a packer, with the options that both have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tools.{module}", description=description, epilog=epilog
    )
    parser.add_argument(
        "--image_files", "--image-files", type=Path, nargs="+", required=True, metavar="FILE"
    )
    parser.add_argument(
        "--image_size",
        "--image-size",
        type=at_least(1),
        default=160,
        help="side of the packed images in pixels (160)",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    return parser


def read_picture(path: Path) -> align.Picture:
    """Decodes a JPEG, PNG or WebP file; exits naming the file where it is none or is broken."""
    try:
        return align.decode(read_bytes(path))
    except align.AlignError as exc:
        raise SystemExit(f"{path}: {exc}") from exc


def read_bytes(path: Path) -> bytes:
    try:
        return Path(os.path.expanduser(path)).read_bytes()
    except OSError as exc:
        raise SystemExit(f"{path}: {exc.strerror}") from exc


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 RGB [H,W,3] as a PNG file: what goes in comes out, bit for bit."""
    _, data = cv2.imencode(".png", pixels[:, :, ::-1])
    return bytes(data)


def pack(images: Sequence[bytes]) -> dict[str, object]:
    return {"cnt": len(images), "images": [base64.b64encode(image).decode() for image in images]}


def write(images: Sequence[bytes], out: Path) -> None:
    text = json.dumps(pack(images))
    try:
        out.write_text(text)
    except OSError as exc:
        raise SystemExit(f"{out}: {exc.strerror}") from exc
    print(f"{out}: {len(images)} images, {len(text):,} bytes")
