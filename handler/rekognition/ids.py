"""Face ids, image ids and pagination tokens, as texts that hold what they stand for."""

import base64
import binascii
import hashlib
import re

from handler.rekognition.errors import RekognitionError

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,255}")


def face_id(tail: str) -> str:
    """A tail of 24 hex digits as a UUID of version 8 (RFC 9562), which only shows it.

    Eight digits are to spare: the version, the variant, and six of a digest.
    """
    spare = hashlib.sha256(tail.encode()).hexdigest()
    return _as_uuid(f"{tail[:12]}8{tail[12:15]}8{tail[15:]}{spare[:6]}")


def tail_of(identifier: str) -> str | None:
    """The tail that a face id shows; None for one that we never made."""
    plain = identifier.replace("-", "")
    tail = plain[:12] + plain[13:16] + plain[17:26]
    return tail if face_id(tail) == identifier else None


def image_id(digest: str) -> str:
    """A picture's SHA-256 as a UUID of version 8: the same picture always has the same one."""
    return _as_uuid(f"{digest[:12]}8{digest[12:15]}8{digest[15:30]}")


def make_token(after: str) -> str:
    """A pagination token for what comes after `after`."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_token(token: str | None, pattern: str) -> str | None:
    """What a token holds. Raises RekognitionError where that does not match `pattern`."""
    if token is None:
        return None
    try:
        if not TOKEN.fullmatch(token):
            raise ValueError(token)
        after = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (ValueError, binascii.Error):
        after = ""
    if not re.fullmatch(pattern, after):
        raise RekognitionError(
            "InvalidPaginationTokenException", "NextToken: not a token of this operation's answers."
        )
    return after


def _as_uuid(digits: str) -> str:
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)
