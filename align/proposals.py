"""What P-Net says about a picture: candidates for faces, before anything was checked."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from align.boxes import Boxes, Indices, Scores, best_first
from align.types import Floats


@dataclass(frozen=True, eq=False)
class Proposals:
    """boxes float64[N,4], scores float32[N] (0..1), offsets float32[N,4]."""

    boxes: Boxes
    scores: Scores
    offsets: Floats

    @classmethod
    def of(cls, boxes: Boxes, cells: Floats, most: int) -> Self:
        """From boxes and P-Net's outputs for them, float32[N,5]; the `most` best of them."""
        found = cls(boxes, sigmoid(cells[:, 4]), cells[:, :4])
        return found.take(best_first(cells[:, 4], most))

    @classmethod
    def join(cls, parts: "list[Proposals]") -> Self:
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.offsets for part in parts]),
        )

    def take(self, indices: Indices) -> Self:
        return type(self)(self.boxes[indices], self.scores[indices], self.offsets[indices])


NONE = Proposals(np.empty((0, 4)), np.empty(0, np.float32), np.empty((0, 4), np.float32))


def passing_cells(output: Floats, threshold: float) -> tuple[Indices, Indices]:
    """Rows and columns of P-Net's float32[h,w,5] that are likely faces, column by column."""
    columns, rows = np.nonzero(passing(output[..., 4].T, threshold))
    return rows, columns


def passing(logits: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Which logits are at or above a score between 0 and 1."""
    return np.asarray(logits >= math.log(threshold / (1 - threshold)))


def sigmoid(logits: Floats) -> Floats:
    """Logits to probabilities, in float32 as the reference's softmax is."""
    # Below -80 the result is 0 anyway; the bound only keeps exp from overflowing.
    result: Floats = np.reciprocal(1 + np.exp(-np.maximum(logits, -80)))
    return result
