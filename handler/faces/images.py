"""From what a request calls an image to the picture's bytes, or to a vector made earlier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pybase64
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from handler.errors import ApiError, picture_too_large, printable
from handler.faces.requests import ImageObject, Source
from handler.settings import Limits
from handler.storage.reader import ObjectReader
from model_layer.distance import unit

SCHEME_ROOM = 64  # letters at the beginning among which `data:` is looked for
# A URI may write base64's own signs so; nothing else of it needs an escape.
ESCAPES = MappingProxyType({"%2B": "+", "%2b": "+", "%2F": "/", "%2f": "/", "%3D": "=", "%3d": "="})
LONGEST_CONTRACT = 240  # an id has at most 200 characters; what is longer is not quoted whole


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
    if text[:SCHEME_ROOM].lstrip()[:5].lower() == "data:":
        text = _data_uri(text)
    if len(text) > limit * 3 // 2 + 4:  # 4/3 for base64, and room for line breaks
        raise picture_too_large(limit)
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return _decode_lines(text, what)


def read_embedding(image: ImageObject, contract: str, dimension: int) -> NDArray[np.float32]:
    """The vector of an `{"embedding": ...}` image: float32 [D] of unit length.

    Raises ModelMismatch for another contract or dimension, InvalidBase64, and InvalidRequest
    for numbers that cannot be normalized (zeros, infinities).
    """
    if image.model not in (UNSET, contract):
        given = printable(str(image.model), LONGEST_CONTRACT)
        raise ApiError(
            "ModelMismatch",
            f"The embedding has the contract {given}, but this request needs {contract}; embed "
            "the picture again.",
            details={"model": contract, "given": given},
        )
    vector = _vector(image.embedding)
    if len(vector) != dimension:
        raise ApiError(
            "ModelMismatch",
            f"The embedding has {len(vector)} numbers, but the model's have {dimension}.",
            details={"model": contract, "dimension": dimension},
        )
    try:
        return unit(vector)
    except ValueError:
        raise ApiError(
            "InvalidRequest",
            "The embedding cannot be normalized: its numbers are all zero or not finite.",
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
    """What follows the head of a `data:` URI (RFC 2397), which has to name base64."""
    head, comma, rest = text.partition(",")
    _, *parameters = head.lower().split(";")
    if not comma or "base64" not in map(str.strip, parameters):
        raise ApiError("InvalidBase64", "A data: URI must contain ;base64, before its data.")
    for escape, letter in ESCAPES.items():
        rest = rest.replace(escape, letter)
    return rest


def _decode_lines(text: str, what: str) -> bytes:
    """A second try for text wrapped into lines, as `base64 FILE` prints it."""
    pieces = text.split()
    if not _are_lines(text, pieces):
        raise _lost_plus_error(what)
    try:
        return pybase64.b64decode("".join(pieces), validate=True)
    except ValueError:
        inside = " " in text.strip()
        raise _lost_plus_error(what) if inside else _invalid_base64(what) from None


def _are_lines(text: str, pieces: Sequence[str]) -> bool:
    """Whether white space stands where lines end, not where a `+` was lost.

    A space may: lines can be indented, and a shell makes spaces of their ends, as in
    `echo $(base64 FILE)`. Then all but the last have one length, of whole groups of four.
    """
    if " " not in text or len(pieces) < 2:
        return True
    length = len(pieces[0])
    return (
        length % 4 == 0
        and all(len(piece) == length for piece in pieces[:-1])
        and len(pieces[-1]) <= length
    )


def _invalid_base64(what: str) -> ApiError:
    return ApiError("InvalidBase64", f"The {what} is not valid base64.")


def _lost_plus_error(what: str) -> ApiError:
    return ApiError(
        "InvalidBase64",
        f"The {what} is not valid base64: each + was probably decoded as a "
        "space. Send it in a JSON body, or encode + as %2B in a URL or a form.",
    )
