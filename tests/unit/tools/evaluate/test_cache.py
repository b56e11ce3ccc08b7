"""Interrupted work goes on where it stopped, and never from a half-written file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tools.evaluate import cache


def squares(rows: Sequence[int]) -> cache.Arrays:
    return {"values": np.array([row * row for row in rows])}


def test_chunks_come_back_in_order(tmp_path: Path) -> None:
    stored = cache.compute_in_chunks(tmp_path, 150, "squaring", squares)
    assert stored["values"].tolist() == [row * row for row in range(150)]


def test_second_run_makes_only_what_the_first_did_not(tmp_path: Path) -> None:
    # Given a run that is interrupted in its third chunk
    made: list[int] = []

    def interrupted(rows: Sequence[int]) -> cache.Arrays:
        if rows[0] == 2 * cache.CHUNK:
            raise KeyboardInterrupt
        return squares(rows)

    with pytest.raises(KeyboardInterrupt):
        cache.compute_in_chunks(tmp_path, 150, "squaring", interrupted)

    # When it is started again
    def counting(rows: Sequence[int]) -> cache.Arrays:
        made.extend(rows)
        return squares(rows)

    stored = cache.compute_in_chunks(tmp_path, 150, "squaring", counting)
    # Then only the third chunk is made
    assert made == list(range(2 * cache.CHUNK, 150))
    assert len(stored["values"]) == 150


def test_half_written_file_is_not_mistaken_for_a_result(tmp_path: Path) -> None:
    (tmp_path / "000000.partial").write_bytes(b"cut off")
    stored = cache.compute_in_chunks(tmp_path, 3, "squaring", squares)
    assert stored["values"].tolist() == [0, 1, 4]
    assert list(tmp_path.glob("*.partial")) == []


def test_key_depends_on_every_fact() -> None:
    assert cache.key_of(a=1, b=2) == cache.key_of(b=2, a=1)
    assert cache.key_of(a=1, b=2) != cache.key_of(a=1, b=3)


def test_weights_of_others_do_not_count_wherever_the_checkout_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "models" / "facenet-lambda"
    code = checkout / "model_layer" / "distance.py"
    weights = checkout / "model_layer" / "models" / "mine" / "int8.tflite"
    for path in (code, weights):
        path.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(cache, "__file__", str(checkout / "tools" / "evaluate" / "cache.py"))
    digests = []
    for path, content in ((code, "one"), (code, "two"), (weights, "three")):
        path.write_text(content)
        digests.append(cache.digest_of("model_layer"))
    assert digests[0] != digests[1] == digests[2]


def test_digest_of_a_package_is_stable_and_differs_between_packages() -> None:
    assert cache.digest_of("align") == cache.digest_of("align")
    assert cache.digest_of("align") != cache.digest_of("model_layer")
