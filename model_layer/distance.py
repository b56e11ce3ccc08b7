"""Distance between embeddings."""

import numpy as np
from numpy.typing import NDArray

from model_layer.errors import ModelMismatch

# Below this a vector has no direction worth keeping.
SMALLEST_NORM = 1e-10
# A vector from outside whose largest number is below this has no direction worth comparing.
SMALLEST_NUMBER = 1e-6


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of float32 [N,D] scaled to unit L2 length; a row of zeros stays zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, SMALLEST_NORM), dtype=np.float32)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    """One vector [D] from outside, of any length, scaled to unit L2 length: float32 [D].

    Raises ValueError for numbers that are no direction: zeros, infinities, NaN.
    """
    largest = float(np.abs(vector).max())
    if not np.isfinite(largest) or largest < SMALLEST_NUMBER:
        raise ValueError("the vector is zero or not finite")
    scaled = vector / largest  # so that no square of a huge number overflows
    return np.asarray(scaled / np.linalg.norm(scaled), np.float32)


def distances(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2 distance of every row of `left` [M,D] to every row of `right` [N,D]: float32 [M,N].

    The rows are unit vectors, so the answer lies in 0..2. Computed in float64 from |a|^2 + |b|^2
    - 2ab, so a vector is at distance 0 from itself, to 1e-7. Raises ModelMismatch where the
    dimensions differ.
    """
    if left.shape[1] != right.shape[1]:
        raise ModelMismatch(
            "embeddings of different dimensions cannot be compared",
            dimensions=[left.shape[1], right.shape[1]],
        )
    first, second = left.astype(np.float64), right.astype(np.float64)
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :]
    squared = lengths - 2.0 * (first @ second.T)
    return np.asarray(np.sqrt(np.clip(squared, 0.0, 4.0)), np.float32)
