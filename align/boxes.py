"""Box arithmetic of the MTCNN cascade, on whole arrays at once.

Boxes are float64[N,4] (left, top, right, bottom) in the cascade's own convention, inherited from
MATLAB: the first pixel is 1 and the last one is included, so a width is right - left + 1.
Source: Zhang et al. 2016 and the reference detect_face of davidsandberg/facenet.
"""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

STRIDE = 2
CELL = 12


def cells_to_boxes(rows: Indices, columns: Indices, scale: float) -> Boxes:
    """The 12x12 input cells of P-Net outputs (row, column), in pixels of the unscaled picture."""
    corner = np.stack([columns, rows], axis=1) * float(STRIDE)
    return np.fix(np.concatenate([corner + 1, corner + CELL], axis=1) / scale)


def apply_proposal_offsets(boxes: Boxes, offsets: npt.NDArray[np.float32]) -> Boxes:
    """Move P-Net boxes by its offsets, which are shares of right - left and bottom - top."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes + offsets * np.tile(sides, 2)


def apply_offsets(boxes: Boxes, offsets: npt.NDArray[np.float32]) -> Boxes:
    """Move R- and O-Net boxes by their offsets, shares of the inclusive width and height."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.tile(sides, 2)


def square(boxes: Boxes) -> Boxes:
    """Grow each box about its centre to a square of its longer side, in whole pixels."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.fix(np.concatenate([corner, corner + longest], axis=1))


def suppress(
    boxes: Boxes, scores: Scores, threshold: float, *, by_smaller: bool = False
) -> Indices:
    """Greedy non-maximum suppression.

    Args:
        boxes: float64[N,4].
        scores: float32[N].
        threshold: a box that overlaps a better one by more than this is dropped.
        by_smaller: overlap is the intersection over the smaller box instead of over the union.

    Returns:
        Indices of the kept boxes, best first.
    """
    left, top, right, bottom = boxes.T
    areas = (right - left + 1) * (bottom - top + 1)
    # Scores saturate at 1.0, so ties are common; the first box of a tie wins, on every machine.
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if by_smaller:
            whole = np.minimum(areas[best], areas[rest])
        else:
            whole = areas[best] + areas[rest] - shared
        order = rest[shared <= threshold * whole]
    return np.array(kept, np.intp)
