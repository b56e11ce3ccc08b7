"""From what a request calls an image to the picture's bytes, or to a vector made earlier."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pybase64
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from handler.errors import ApiError, picture_too_large
from handler.faces.requests import ImageObject, Source
from handler.settings import Limits
from handler.storage import ObjectReader
from model_layer.distance import unit


@dataclass(frozen=True)
class PictureReader:
    """Turns what a request calls an image into the picture's bytes."""

    limits: Limits
    objects: ObjectReader

    def read(self, source: Source, require_time: Callable[[], None]) -> bytes:
        """The bytes of a picture, at most `limits.image_bytes` of them.

        Raises InvalidBase64, PayloadTooLarge, InvalidRequest for an embedding, and what
        `ObjectReader.read` raises.
        """
        limit = self.limits.image_bytes
        if isinstance(source, ImageObject):
            if isinstance(source.s3, UnsetType):
                what = "An embedding" if source.person is UNSET else "A person"
                raise ApiError("InvalidRequest", f"{what} can only be compared; send a picture.")
            return self.objects.read(source.s3.reference(), require_time)
        data = source if isinstance(source, bytes) else decode_base64(source, limit)
        if len(data) > limit:
            raise picture_too_large(limit)
        return data


def decode_base64(text: str, limit: int, what: str = "image") -> bytes:
    """Strict base64, bare or as a `data:` URI; line breaks between the letters are allowed.

    Raises PayloadTooLarge before decoding where the text is longer than `limit` bytes can be,
    and InvalidBase64.
    """
    if text[:5].lower() == "data:":
        text = _data_uri(text)
    if len(text) > limit * 3 // 2 + 4:  # 4/3 for base64, and room for line breaks
        raise picture_too_large(limit)
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return _decode_lines(text, what)


def read_embedding(image: ImageObject, model_id: str, dimension: int) -> NDArray[np.float32]:
    """The vector of an `{"embedding": ...}` image: float32 [D] of unit length.

    Raises ModelMismatch for another model's id or dimension, InvalidBase64, and InvalidRequest
    for numbers that are no direction (zeros, infinities).
    """
    if image.model not in (UNSET, model_id):
        raise ApiError(
            "ModelMismatch",
            "The embedding was made by another model; embed the picture again.",
            details={"model": model_id},
        )
    vector = _vector(image.embedding)
    if len(vector) != dimension:
        raise ApiError(
            "ModelMismatch",
            f"The embedding has {len(vector)} numbers, the model makes {dimension}.",
            details={"model": model_id, "dimension": dimension},
        )
    try:
        return unit(vector)
    except ValueError:
        raise ApiError(
            "InvalidRequest",
            "The embedding has no direction: its numbers are all zero or not finite.",
        ) from None


def _vector(embedding: list[float] | str | UnsetType) -> NDArray[np.float64]:
    if not isinstance(embedding, str):
        return np.asarray(embedding or [], dtype=np.float64)
    data = decode_base64(embedding, len(embedding), "embedding")
    if len(data) % 4:
        raise ApiError(
            "InvalidBase64", "The embedding's length is not a multiple of 4 bytes (float32)."
        )
    return np.frombuffer(data, dtype="<f4").astype(np.float64)


def _data_uri(text: str) -> str:
    head, comma, rest = text.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise ApiError("InvalidBase64", "A data: URI must contain ;base64, before its data.")
    return rest


def _decode_lines(text: str, what: str) -> bytes:
    """A second try for text wrapped into lines, as `base64 FILE` prints it."""
    try:
        return pybase64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ApiError("InvalidBase64", f"The {what} is not valid base64.") from None
