"""Pictures as a request carries them."""

import base64
from collections.abc import Sequence
from pathlib import Path

from tools.client.answers import CallError, Json

Image = str | Path | bytes | Json
# Lambda takes 6 MB including the event around the request; base64 turns 3 bytes into 4.
REQUEST_BYTES = 4_300_000
SMALLER_SIDE = 1600
SMALLER_QUALITY = 92


def request_of(images: Sequence[Image]) -> Json:
    return {"cnt": len(images), "images": [image_of(image) for image in images]}


def image_of(image: Image) -> str | Json:
    """Bytes and files as base64, `s3://bucket/key` as a reference, an object as it is."""
    read = read_image(image)
    return base64.b64encode(read).decode() if isinstance(read, bytes) else read


def read_image(image: Image) -> bytes | Json:
    """Files as their bytes, `s3://bucket/key` as a reference, the rest as it is."""
    if isinstance(image, dict | bytes):
        return image
    if isinstance(image, str) and image.startswith("s3://"):
        bucket, _, key = image.removeprefix("s3://").partition("/")
        return {"s3": {"bucket": bucket, "key": key}}
    return Path(image).read_bytes()


def size_of(images: Sequence[bytes | Json]) -> int:
    """Bytes of the pictures that a request would carry itself."""
    return sum(len(image) for image in images if isinstance(image, bytes))


def content_type_of(picture: bytes) -> str:
    """The picture's type by its first bytes; the function refuses unknown ones."""
    if picture[4:8] == b"ftyp":
        return "image/heic"
    if picture.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if picture[8:12] == b"WEBP" else "image/jpeg"


def shrink(images: Sequence[bytes | Json]) -> list[bytes | Json]:
    """Reduces the pictures to a longest side of 1,600 pixels, as JPEG, as the page does."""
    import cv2
    import numpy as np

    def reduce(picture: bytes) -> bytes:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise CallError(
                413, "PayloadTooLarge", "a picture is too large for a request, there is no upload "
                "bucket (Uploads=yes), and it cannot be made smaller here; send a JPEG"
            )  # fmt: skip
        scale = min(1.0, SMALLER_SIDE / max(pixels.shape[:2]))
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, SMALLER_QUALITY]
        return bytes(cv2.imencode(".jpg", small, quality)[1])

    return [reduce(image) if isinstance(image, bytes) else image for image in images]
