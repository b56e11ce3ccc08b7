"""LiteRTEngine: several pictures in a call change nothing but the time."""

from pathlib import Path

import numpy as np
import pytest

from model_layer.engine_litert import MOST, LiteRTEngine
from model_layer.files import BUNDLED
from tests.unit.model_layer.conftest import SIZE

TOY = Path(__file__).parent / "toy" / "int8.tflite"
# How many pictures are asked for, one call after the other: more than fit, fewer, as many.
COUNTS = (1, MOST, 2 * MOST + 1, 2, 1, MOST + 2)


def pixels(count: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(("path", "size"), [(TOY, SIZE), (BUNDLED / "int8.tflite", 128)])
def test_an_embedding_does_not_depend_on_what_else_is_in_the_call(path: Path, size: int) -> None:
    """Of a file that leaves the number of pictures open, and of one that takes one."""
    engine, chips = LiteRTEngine(path), pixels(max(COUNTS), size)
    alone = np.concatenate([LiteRTEngine(path).embed(chip[None]) for chip in chips])

    for count in COUNTS:
        np.testing.assert_allclose(engine.embed(chips[-count:]), alone[-count:], atol=1e-6)


def test_chips_of_another_size_are_refused_and_the_next_ones_embedded() -> None:
    engine, chips = LiteRTEngine(TOY), pixels(2, SIZE)
    expected = engine.embed(chips)

    with pytest.raises(ValueError, match="Dimension mismatch"):
        engine.embed(pixels(3, SIZE + 1))

    np.testing.assert_array_equal(engine.embed(chips), expected)
