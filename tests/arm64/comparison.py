"""Whether two answers say the same, within what processors' kernels may differ by."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# Per field, the largest difference that passes. An embedding's is an L2 distance.
TOLERANCES = {
    "distance": 0.01,
    "similarity": 0.01,
    "score": 0.005,
    "box": 0.5,
    "box_ratio": 0.005,
    "landmarks": 0.5,
    "embedding": 0.03,
    "size": 1,
    "sharpness": 0.05,
    "brightness": 0.02,
    "yaw": 1.0,
    "pitch": 1.0,
    "roll": 1.0,
}
IGNORED = ("timings_ms", "request_id", "x-request-id", "content-length")


def differences(one: Any, other: Any, field: str = "", path: str = "") -> Iterator[str]:
    """What differs by more than it may, each as a line."""
    if field == "body" and isinstance(one, str) and one[:1] in "{[":
        one, other = json.loads(one), json.loads(other)
    if field == "body" and is_bare_distance(one) and is_bare_distance(other):  # /service
        one, other, field = float(one), float(other), "distance"
    if field == "embedding":
        gap = float(np.linalg.norm(vector(one) - vector(other)))
        if not gap <= TOLERANCES[field]:
            yield f"{path}: {gap:.4f} apart"
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        yield from of_mappings(one, other, field, path)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, field, f"{path}[{index}]")
    elif is_number(one) and is_number(other):
        if not abs(one - other) <= TOLERANCES.get(field, 0):
            yield f"{path}: {one} and {other}"
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def of_mappings(
    one: Mapping[str, Any], other: Mapping[str, Any], field: str, path: str
) -> Iterator[str]:
    for name in sorted({*one, *other} - set(IGNORED)):
        if name not in one or name not in other:
            yield f"{path}.{name}: only on one side"
            continue
        inner = field if field in ("box", "box_ratio") else name
        yield from differences(one[name], other[name], inner, f"{path}.{name}")


def vector(value: Any) -> np.ndarray:
    """An embedding in either encoding."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), "<f4")
    return np.asarray(value, np.float32)


def is_bare_distance(value: Any) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).isdecimal()


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
