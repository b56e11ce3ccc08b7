"""Answers that cannot fit are refused before the work, and none that fits is."""

import json
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from handler.errors import ApiError
from handler.faces.answers import Box, Encoding, FaceAnswer, FaceIndex, Pair, encode
from handler.faces.matching import match
from handler.faces.response_size import (
    ENVELOPE,
    SHORTEST_PAIR,
    escaped_size,
    require_direct,
    require_room_for_faces,
    require_room_for_pairs,
)


def smallest_limit(require: Callable[[int], None]) -> int:
    """The smallest limit that `require` accepts."""
    low, high = 0, 1 << 24
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(require, middle) else (middle + 1, high)
    return low


def accepts(require: Callable[[int], None], limit: int) -> bool:
    try:
        require(limit)
    except ApiError:
        return False
    return True


@pytest.mark.parametrize("faces", [(1, 1), (1, 3), (2, 0, 3), (4, 4, 4)])
def test_pairs_are_counted_without_making_them(faces: tuple[int, ...]) -> None:
    groups = [np.eye(8, dtype=np.float32)[:count] for count in faces]
    pairs = len(match(groups, 0.5, lambda _: 0.5))
    room = smallest_limit(lambda limit: require_room_for_pairs(faces, limit))
    assert room == pairs * SHORTEST_PAIR + ENVELOPE


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_no_face_is_shorter_than_is_reckoned(encoding: Encoding) -> None:
    def room(dimension: int) -> int:
        return (
            smallest_limit(lambda limit: require_room_for_faces(1, dimension, encoding, limit))
            - ENVELOPE
        )

    nowhere = Box(0.0, 0.0, 0.0, 0.0)
    bare = FaceAnswer(box=nowhere, box_ratio=nowhere, landmarks=None, score=0.0, quality=None)
    assert 0 < room(0) <= len(encode(bare))
    embedding = [0.0] * 256 if encoding == "float" else "A" * math.ceil(256 * 4 / 3) * 4
    embedded = msgspec.structs.replace(bare, embedding=embedding)
    assert room(0) < room(256) <= len(encode(embedded))


def test_no_pair_is_shorter_than_is_reckoned() -> None:
    place = FaceIndex(image=0, face=0)
    pair = Pair(a=place, b=place, distance=0.0, similarity=1.0, same=True)
    assert len(encode(pair)) >= SHORTEST_PAIR


def test_direct_answer_is_measured_as_the_runtime_writes_it() -> None:
    answer = {"a": [1, 2, {"b": 3}], "c": "d"}
    compact = json.dumps(answer, separators=(",", ":")).encode()
    room = smallest_limit(lambda limit: require_direct(compact, limit))
    assert room - ENVELOPE == len(json.dumps(answer))


def test_body_is_measured_as_a_json_string() -> None:
    body = b'{"text": "a\\"b\\\\c"}\n'
    assert escaped_size(body) + len('""') == len(json.dumps(body.decode()))
