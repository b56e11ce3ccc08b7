"""Whether two answers say the same, within what sound processors differ by."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# Per field, the largest difference that passes. An embedding's is an L2 distance.
#
# An int8 network rounds after every layer, so the smallest difference, in one grey level of a
# chip or in one kernel, changes the roundings of all that follow: two processors' embeddings are
# as far apart as two draws of the quantization's noise, and hardly farther than sqrt(2) times
# what int8 and float32 are apart. Measured on two trainings of the bundled network in November
# 2026 (20 faces of parity.npz): int8 against float32 0.14 in the median at most, 0.19 at worst;
# two draws are within 0.27. On one processor with one number in 10,000 of a chip changed by one
# grey level 0.10 and 0.14, one in 10 0.13 and 0.18; distances between faces up to 0.07. FaceNet's
# int8 file: 0.02 and 0.007 at worst. An emulated Neoverse N1 embeds the same chips bit for bit as
# a Xeon with AVX-512; where it cuts them out by itself the detector's last digits move a few grey
# levels, and embeddings are 0.11 (median) and 0.13 apart, distances 0.033. Strangers are about
# 1.3 apart, and a verdict has no tolerance. `python -m tests.arm64.measure` measures again.
# Bilinear sampling rounds otherwise in OpenCV for arm64: boxes of 29 events are up to 0.62 pixels
# apart (of 176), landmarks 0.43, distances 0.016.
TOLERANCES = {
    "distance": 0.1,
    "similarity": 0.05,
    "score": 0.005,
    "box": 1.0,
    "box_ratio": 0.005,
    "landmarks": 1.0,
    "embedding": 0.3,
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
