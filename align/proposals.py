"""P-Net over an image pyramid: the first look of the cascade, at every size of face."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from align.boxes import CELL, Boxes, Scores, cells_to_boxes, suppress
from align.networks import Network
from align.opencv import cv2
from align.types import Floats, Pixels

FACTOR = 0.709
WITHIN_LEVEL = 0.5


@dataclass(frozen=True, eq=False)
class Proposals:
    """boxes float64[N,4], scores float32[N] (0..1), offsets float32[N,4]."""

    boxes: Boxes
    scores: Scores
    offsets: Floats


def pyramid_scales(width: int, height: int, min_face: float) -> Iterator[float]:
    """Scales at which faces of `min_face` pixels and larger are 12 pixels wide."""
    scale = CELL / min_face
    side = min(width, height) * scale
    while side >= CELL:
        yield scale
        scale *= FACTOR
        side *= FACTOR


def propose_by_level(
    network: Network, pixels: Pixels, min_face: float, threshold: float
) -> Proposals:
    """P-Net on each level by itself, every level resampled from the full picture."""
    height, width = pixels.shape[:2]
    parts = []
    for scale in pyramid_scales(width, height, min_face):
        size = (math.ceil(width * scale), math.ceil(height * scale))
        level = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        parts.append(read_level(network(level[None])[0], scale, threshold))
    return join(parts)


def read_level(output: Floats, scale: float, threshold: float) -> Proposals:
    """Boxes of one level from P-Net's float32[h,w,5], suppressed among themselves."""
    face_logits = output[..., 4].T  # column by column, the reference's order
    columns, rows = np.nonzero(face_logits >= logit(threshold))
    cells = output[rows, columns]
    boxes, scores = cells_to_boxes(rows, columns, scale), sigmoid(cells[:, 4])
    kept = suppress(boxes, scores, WITHIN_LEVEL)
    return Proposals(boxes[kept], scores[kept], cells[kept, :4])


def join(parts: list[Proposals]) -> Proposals:
    """All levels' proposals, finest level first."""
    if not parts:
        return Proposals(np.empty((0, 4)), np.empty(0, np.float32), np.empty((0, 4), np.float32))
    return Proposals(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.offsets for part in parts]),
    )


def sigmoid(logits: Floats) -> Floats:
    """Logits to probabilities, in float32 as the reference's softmax is."""
    result: Floats = 1 / (1 + np.exp(-logits))
    return result


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
