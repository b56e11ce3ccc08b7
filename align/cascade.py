"""The MTCNN cascade (Zhang et al. 2016): propose, refine, finish."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from align.boxes import (
    Boxes,
    apply_offsets,
    apply_proposal_offsets,
    best_first,
    square,
    suppress,
    suppress_nested,
)
from align.networks import BatchedNetwork, ShapedNetwork
from align.proposals import sigmoid
from align.types import Check, Face, Floats, Pixels
from align.views import View

ACROSS_LEVELS = 0.7
FINAL_OVERLAP = 0.7
# Landmarks are rounded to 1/1024 of a pixel, the finest that float32 can turn and move without
# rounding again in pictures of up to 16,384 pixels a side.
STEPS_PER_PIXEL = np.float32(1024)


@dataclass(frozen=True)
class Profile:
    """How one way of detecting is set.

    Attributes:
        name: "fast" or "exact": the view that it looks through.
        min_face: smallest face to find: pixels from 1 on, below 1 a share of the short side.
        floor: whatever the share says, no face smaller than this many pixels is looked for.
        thresholds: scores that a candidate needs after P-, R- and O-Net.
        refined_overlap: overlap beyond which R-Net's worse candidate is dropped.
        most: candidates of P-Net (a level), R-Net and O-Net that are looked at, at most.
        ceiling: candidates of P-Net at or above this score were looked at before.
    """

    name: Literal["fast", "exact"]
    min_face: float
    floor: float
    thresholds: tuple[float, float, float]
    refined_overlap: float
    most: tuple[int, int, int]
    ceiling: float = math.inf


class Cascade:
    """The three nets. One thread per instance."""

    def __init__(self, threads: int) -> None:
        self._proposer = ShapedNetwork("pnet", threads, warm=4)
        self._refiner = BatchedNetwork("rnet", 24, threads, (1, 4, 16))
        self._finisher = BatchedNetwork("onet", 48, threads, (1, 4))

    def find(self, view: View, profile: Profile, min_face: float) -> list[Face]:
        """Faces of at least `min_face` pixels, best first, in the view's pixels."""
        return self.improve(view, profile, self._propose(view, profile, min_face))

    def improve(self, view: View, profile: Profile, boxes: Boxes) -> list[Face]:
        """The faces at float64[N,4] squares: what R-Net and O-Net say, without P-Net."""
        return self._finish(view, profile, self._refine(view, profile, boxes))

    def rate(self, crops: Floats | Pixels, check: Check) -> Floats:
        """R-Net's logits of a face, float32[N], for crops [N,24,24,3] of pixel values 0..255."""
        return self._refiner(crops, check)[:, 4]

    def describe(self, crops: Floats | Pixels) -> Floats:
        """O-Net's float32[N,15] for crops [N,48,48,3] of pixel values 0..255."""
        return self._finisher(crops)

    def _propose(self, view: View, profile: Profile, min_face: float) -> Boxes:
        threshold, most = profile.thresholds[0], profile.most[0]
        found = view.propose(self._proposer, min_face, threshold, most)
        # Suppression takes the square of their number; a hostile picture fills every level.
        found = found.take(best_first(found.scores, most))
        kept = suppress(found.boxes, found.scores, ACROSS_LEVELS, view.check)
        kept = kept[found.scores[kept] < profile.ceiling][: profile.most[1]]
        boxes = apply_proposal_offsets(found.boxes[kept], found.offsets[kept])
        return view.round_boxes(square(boxes))

    def _refine(self, view: View, profile: Profile, boxes: Boxes) -> Boxes:
        """R-Net: drop most candidates, move the rest, back to squares."""
        if not len(boxes):
            return boxes
        output = self._refiner(view.cut(boxes, self._refiner.side), view.check)
        scores = sigmoid(output[:, 4])
        passed = scores > profile.thresholds[1]
        boxes, scores, output = boxes[passed], scores[passed], output[passed]
        kept = suppress(boxes, scores, profile.refined_overlap, view.check)
        kept = kept[: profile.most[2]]
        return view.round_boxes(square(apply_offsets(boxes[kept], output[kept, :4])))

    def _finish(self, view: View, profile: Profile, boxes: Boxes) -> list[Face]:
        """O-Net: final score, box and landmarks."""
        if not len(boxes):
            return []
        output = self._finisher(view.cut(boxes, self._finisher.side), view.check)
        scores = sigmoid(output[:, 14])
        passed = scores > profile.thresholds[2]
        boxes, scores, output = boxes[passed], scores[passed], output[passed]
        moved = apply_offsets(boxes, output[:, :4])
        kept = suppress_nested(moved, scores, FINAL_OVERLAP)
        return read_faces(boxes[kept], output[kept])


def read_faces(boxes: Boxes, output: Floats) -> list[Face]:
    """Faces from O-Net's float32[N,15] for the float64[N,4] boxes whose crops it saw."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    # Landmarks count pixels from 0, unlike boxes.
    across = output[:, 4:9] * sides[:, :1] + boxes[:, :1] - 1
    down = output[:, 9:14] * sides[:, 1:] + boxes[:, 1:2] - 1
    points = _round(np.stack([across, down], axis=-1))
    moved, scores = apply_offsets(boxes, output[:, :4]), sigmoid(output[:, 14])
    return [
        Face((float(box[0]), float(box[1]), float(box[2]), float(box[3])), marks, float(score))
        for box, marks, score in zip(moved, points, scores, strict=True)
    ]


def round_landmarks(face: Face) -> Face:
    """The face with its landmarks rounded, after a change that did not keep them so."""
    return replace(face, landmarks=_round(face.landmarks))


def _round(points: Floats | Boxes) -> Floats:
    return (points * STEPS_PER_PIXEL).round().astype(np.float32) / STEPS_PER_PIXEL
