"""Compares two answers of the function field by field, with room for arithmetic and for time."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

# What differs from call to call and says nothing about the answer.
PASSING = frozenset({"timings_ms", "request_id", "requestId", "x-request-id", "stackTrace"})
# Distances agree to 1e-3; boxes and landmarks are pixels.
ABSOLUTE = 2e-3
RELATIVE = 1e-3


def differences(ours: Any, theirs: Any, place: str = "answer") -> Iterator[str]:
    """Every place where the two differ, in words; nothing where they agree."""
    ours, theirs = _opened(ours), _opened(theirs)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted((ours.keys() | theirs.keys()) - PASSING):
            if key in ours and key in theirs:
                yield from differences(ours[key], theirs[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is only in {'ours' if key in ours else 'theirs'}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif _is_number(ours) and _is_number(theirs):
        if abs(ours - theirs) > ABSOLUTE + RELATIVE * abs(ours):
            yield f"{place}: {ours} and {theirs}"
    elif ours != theirs:
        yield f"{place}: {str(ours)[:120]} and {str(theirs)[:120]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _opened(value: Any) -> Any:
    """JSON text as its value, a base64 embedding as its numbers; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    # An embedding is at least 64 numbers of 4 bytes, and of unit length.
    if len(value) < 340 or len(value) % 4:
        return value
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        return value
    if len(data) % 4 or len(data) > 16384:
        return value
    numbers = list(struct.unpack(f"<{len(data) // 4}f", data))
    return numbers if abs(sum(number**2 for number in numbers) - 1) < 1e-2 else value
