"""A network of the bundled model's form, a few channels wide, and chips to train it on."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from training.data import Examples
from training.network import (
    BLOCKS,
    DIMENSION,
    EMBED,
    POOL,
    STEM,
    STEM_DEPTHWISE,
    TOP,
    Layer,
    layer_names,
)

WIDTH = 4
CHIPS = 24


def narrow(random: np.random.Generator) -> dict[str, Layer]:
    """Random weights; channels of one tensor differ up to a hundredfold."""

    def layer(side: int, inputs: int, outputs: int, slope: float | None) -> Layer:
        kernel = random.normal(0, (side * side * inputs) ** -0.5, (side, side, inputs, outputs))
        channels = outputs if inputs > 1 else 1
        spread = 10 ** random.uniform(-1, 1, channels) if inputs > 1 else np.ones(1)
        spread /= np.sqrt(np.mean(spread**2))
        biases = outputs if inputs > 1 or outputs > 1 else WIDTH
        return Layer(
            (kernel * spread).astype(np.float32),
            random.normal(0, 0.1, biases).astype(np.float32),
            slope,
        )

    def depthwise(side: int, slope: float | None) -> Layer:
        kernel = random.normal(0, 1 / side, (side, side, WIDTH, 1)).astype(np.float32)
        return Layer(kernel, random.normal(0, 0.1, WIDTH).astype(np.float32), slope)

    made = {
        STEM: layer(3, 3, WIDTH, 0.3),
        STEM_DEPTHWISE: depthwise(3, -0.5),
        TOP: layer(1, WIDTH, WIDTH, 2.5),
        POOL: depthwise(8, None),
        EMBED: layer(1, WIDTH, DIMENSION, None),
    }
    for block in BLOCKS:
        made[block.layer("expand")] = layer(1, WIDTH, WIDTH, 0.3)
        made[block.layer("depthwise")] = depthwise(3, 0.9)
        made[block.layer("project")] = layer(1, WIDTH, WIDTH, None)
        made[block.layer("squeeze")] = layer(1, WIDTH, 2, 0.3)
        made[block.layer("excite")] = layer(1, 2, WIDTH, None)
    return {name: made[name] for name in layer_names()}


@pytest.fixture(scope="session")
def weights() -> dict[str, Layer]:
    return narrow(np.random.default_rng(1))


@pytest.fixture(scope="session")
def examples() -> Examples:
    random = np.random.default_rng(2)
    coarse = random.integers(0, 256, (CHIPS, 12, 12, 3), dtype=np.uint8)
    targets = random.normal(size=(CHIPS, DIMENSION)).astype(np.float32)
    return Examples(
        chips=coarse.repeat(10, axis=1).repeat(10, axis=2),
        targets=targets / np.linalg.norm(targets, axis=1, keepdims=True),
        people=np.array(["1", "1", "2", "3", *[""] * (CHIPS - 4)]),
        measured=np.arange(CHIPS) >= CHIPS - 4,
    )
