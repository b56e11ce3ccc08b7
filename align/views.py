"""The two ways the cascade looks at a picture: as the reference does, and as fast as it can."""

import math
from typing import Protocol

import numpy as np

from align.boxes import STRIDE, Boxes, Indices, cells_to_boxes, suppress
from align.canvas import Plan, locate, paint, plan_canvas
from align.mipmaps import Mipmaps
from align.networks import ShapedNetwork
from align.opencv import cv2
from align.proposals import NONE, Proposals, passing, passing_cells
from align.pyramid import pyramid_scales
from align.types import Check, Floats, Pixels

WITHIN_LEVEL = 0.5
# A level or a canvas is run in strips of about this many pixels, which bounds P-Net's memory (some
# 210 bytes a pixel). Output cells do not depend on each other, so the result is the same. The
# canvas of a picture as cameras make them is one strip.
STRIP_PIXELS = 1 << 18
CELL_REACH = 10
# Cells from this score on are kept for a second look at the same picture.
FAINTEST = 0.4
# The reference cuts a face of any size into float64, 24 bytes a pixel. Beyond this many pixels a
# side the picture is averaged down first: for crops of 48 pixels that changes nothing to speak of.
LARGEST_CROP = 2048


class View(Protocol):
    """How the cascade reads a picture."""

    check: Check

    def propose(
        self, network: ShapedNetwork, min_face: float, threshold: float, most: int
    ) -> Proposals:
        """P-Net's candidates at or above a score, at most so many (of each level)."""

    def round_boxes(self, boxes: Boxes) -> Boxes:
        """Boxes as they can be cut."""

    def cut(self, boxes: Boxes, size: int) -> Floats | Pixels:
        """Square crops [N,size,size,3] of pixel values 0..255, zero beyond the picture."""


class FastView:
    """Everything from mipmaps: P-Net on one canvas, each crop in one bilinear warp."""

    def __init__(self, mipmaps: Mipmaps, check: Check) -> None:
        self.check = check
        self._mipmaps = mipmaps
        # Likely cells of the last canvas, in case they are asked for again, fainter.
        self._kept: tuple[float, Plan, tuple[Indices, Indices, Floats]] | None = None

    def propose(
        self, network: ShapedNetwork, min_face: float, threshold: float, most: int
    ) -> Proposals:
        if self._kept is None or self._kept[0] != min_face:
            plan = plan_canvas(self._mipmaps.width, self._mipmaps.height, min_face)
            if plan is None:
                return NONE
            canvas = paint(plan, self._mipmaps)
            lowest = min(threshold, FAINTEST)
            self._kept = min_face, plan, likely_cells(network, canvas, lowest, self.check)
        _, plan, (rows, columns, cells) = self._kept
        likely = passing(cells[:, 4], threshold) & (plan.owner[rows, columns] >= 0)
        boxes = locate(plan, rows[likely], columns[likely])
        found = Proposals.of(boxes, cells[likely], most)
        return found.take(suppress(found.boxes, found.scores, WITHIN_LEVEL, self.check))

    def round_boxes(self, boxes: Boxes) -> Boxes:
        return boxes

    def cut(self, boxes: Boxes, size: int) -> Pixels:
        return self._mipmaps.cut(boxes, size)


class ExactView:
    """The reference's arithmetic: davidsandberg/facenet, detect_face."""

    def __init__(self, pixels: Pixels, check: Check) -> None:
        self.check = check
        self._pixels = pixels
        self._shrunk: dict[int, Pixels] = {1: pixels}

    def propose(
        self, network: ShapedNetwork, min_face: float, threshold: float, most: int
    ) -> Proposals:
        """Each level by itself, resampled from the full picture."""
        height, width = self._pixels.shape[:2]
        parts = [NONE]
        for scale in pyramid_scales(width, height, min_face):
            size = (math.ceil(width * scale), math.ceil(height * scale))
            level = cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA)
            level = np.asarray(level, np.uint8)
            rows, columns, cells = likely_cells(network, level, threshold, self.check)
            found = Proposals.of(cells_to_boxes(rows, columns, scale), cells, most)
            kept = suppress(found.boxes, found.scores, WITHIN_LEVEL, self.check)
            parts.append(found.take(kept))
        return Proposals.join(parts)

    def round_boxes(self, boxes: Boxes) -> Boxes:
        """Whole pixels, truncated toward zero."""
        settled: Boxes = np.trunc(boxes)
        return settled

    def cut(self, boxes: Boxes, size: int) -> Floats:
        crops = np.empty((len(boxes), size, size, 3), np.float32)
        for index, (left, top, right, bottom) in enumerate(boxes.astype(np.int64).tolist()):
            self.check()
            step = max(-(-(right - left + 1) // LARGEST_CROP), 1)  # boxes may be turned inside out
            corner = ((left - 1) // step + 1, (top - 1) // step + 1)
            crop = _cut_padded(self._shrink(step), *corner, right // step, bottom // step)
            crops[index] = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
        return crops

    def _shrink(self, step: int) -> Pixels:
        """The picture with each `step` x `step` pixels averaged into one; kept."""
        if step not in self._shrunk:
            height, width = (side // step for side in self._pixels.shape[:2])
            whole = self._pixels[: height * step, : width * step]
            shrunk = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
            self._shrunk[step] = np.asarray(shrunk, np.uint8)
        return self._shrunk[step]


def likely_cells(
    network: ShapedNetwork, level: Pixels, threshold: float, check: Check
) -> tuple[Indices, Indices, Floats]:
    """P-Net's cells at or above a score, column by column, in a level or canvas of any size.

    Rows and columns int64[N], outputs float32[N,5]. Of what P-Net says of one strip only those
    are kept.
    """
    height, width = level.shape[:2]
    step = max(STRIP_PIXELS // width // 2 * 2, 2 * CELL_REACH)
    strips = []
    for start in range(0, height - CELL_REACH, step):
        check()
        # A strip ends CELL_REACH pixels late, so that its last cells see all that they look at.
        output = network(level[None, start : start + step + CELL_REACH])[0]
        rows, columns = passing_cells(output, threshold)
        strips.append((rows + start // STRIDE, columns, output[rows, columns]))
    if len(strips) == 1:  # column by column already
        return strips[0]
    rows, columns, cells = (np.concatenate(parts) for parts in zip(*strips, strict=True))
    order = np.lexsort((rows, columns))
    return rows[order], columns[order], cells[order]


def _cut_padded(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Boxes:
    # float64, as in the reference: resampling whole numbers would round, and rounding moves boxes.
    padded = np.zeros((max(bottom - top + 1, 1), max(right - left + 1, 1), 3))
    inner_left, inner_top = max(left, 1), max(top, 1)
    inner = pixels[inner_top - 1 : max(bottom, 0), inner_left - 1 : max(right, 0)]
    rows, columns = inner.shape[:2]
    padded[inner_top - top :, inner_left - left :][:rows, :columns] = inner
    return padded
