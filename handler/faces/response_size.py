"""How large an answer may be: the only place that decides it.

Before the work, the least that an answer can take is compared with the limit, so that a request
that cannot be answered costs nothing; after the work, the encoded answer is.
"""

from collections.abc import Sequence
from typing import Literal

from handler.errors import ApiError
from handler.settings import ALB_PAYLOAD

# Bytes of JSON at least; of a number of an embedding, with its comma.
SHORTEST_PAIR = 90
SHORTEST_FACE = 150
SHORTEST_NUMBER = 4
ENVELOPE = 1024  # status, headers and the rest of the response's object


def require_room_for_faces(
    count: int, dimension: int, encoding: Literal["float", "base64"] | None, limit: int
) -> None:
    """Raises ResponseTooLarge where `count` faces with such embeddings cannot fit.

    A dimension of 0 means faces without embeddings.
    """
    per_face = dimension * 4 * 4 // 3 if encoding == "base64" else dimension * SHORTEST_NUMBER
    require_size(count * (SHORTEST_FACE + per_face), limit)


def require_room_for_pairs(faces: Sequence[int], limit: int) -> None:
    """Raises ResponseTooLarge where the pairs between images with so many faces cannot fit."""
    total = sum(faces)
    pairs = (total * total - sum(count * count for count in faces)) // 2
    require_size(pairs * SHORTEST_PAIR, limit)


def require_direct(body: bytes, limit: int) -> None:
    """For a direct invocation: Lambda's runtime writes the same JSON with spaces in it."""
    require_size(len(body) + body.count(b",") + body.count(b":"), limit)


def require_http(body: bytes, is_text: bool, is_alb: bool, limit: int) -> None:
    """For an HTTP response, whose body travels as a string inside JSON or as base64."""
    size = escaped_size(body) if is_text else len(body) * 4 // 3
    require_size(size, min(limit, ALB_PAYLOAD) if is_alb else limit)


def escaped_size(body: bytes) -> int:
    """Bytes that `body` takes as a JSON string: quotes, backslashes and newlines take two."""
    return len(body) + body.count(b'"') + body.count(b"\\") + body.count(b"\n")


def require_size(size: int, limit: int) -> None:
    """Raises ResponseTooLarge for more than `limit` bytes, less a little for the headers."""
    if size > limit - ENVELOPE:
        raise ApiError(
            "ResponseTooLarge",
            "The response would be too large; send fewer images, or use encoding base64.",
            details={"limit_bytes": limit},
        )
