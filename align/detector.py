"""Find faces: the MTCNN cascade (Zhang et al. 2016) on LiteRT, in two profiles.

`exact` repeats the settings and the arithmetic of the reference implementation, davidsandberg's
detect_face. `fast` asks the same nets fewer questions; docs/decisions says what that costs.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from align.boxes import Boxes, apply_offsets, apply_proposal_offsets, square, suppress
from align.crops import cut_exactly
from align.networks import Network
from align.opencv import cv2
from align.proposals import Proposals, propose_by_level, sigmoid
from align.types import Face, Floats, Header, Picture, Pixels

ACROSS_LEVELS = 0.7
REFINE_OVERLAP = 0.7
FINAL_OVERLAP = 0.7


@dataclass(frozen=True)
class Profile:
    """How one way of detecting is set.

    Attributes:
        name: "fast" or "exact".
        min_face: smallest face to find: pixels from 1 on, below 1 a share of the short side.
        floor: whatever the share says, never look for faces smaller than this many pixels.
        thresholds: scores that a candidate needs after P-, R- and O-Net.
    """

    name: str
    min_face: float
    floor: float = 20.0
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)


PROFILES = {
    "exact": Profile("exact", min_face=20),
    "fast": Profile("fast", min_face=0.1),
}


class Detector:
    """Finds faces and their landmarks. Keeps interpreters: one thread per instance."""

    def __init__(self, profile: Profile, threads: int) -> None:
        self._profile = profile
        self._proposer = Network("pnet", threads)
        self._refiner = Network("rnet", threads)
        self._marker = Network("onet", threads)

    @classmethod
    def load(
        cls, profile: str = "fast", *, min_face: float | None = None, threads: int = 1
    ) -> Self:
        """A detector by profile name.

        Args:
            profile: "fast" or "exact".
            min_face: smallest face to find, in pixels from 1 on, below 1 as a share of the
                picture's short side; None keeps the profile's own.
            threads: CPU threads for the nets and for OpenCV.

        Raises:
            ValueError: an unknown profile, or a `min_face` that is not positive.
            WeightsDamaged: a weight file is missing or not the released one.
        """
        if profile not in PROFILES:
            raise ValueError(f"no detector profile {profile!r}: choose from {sorted(PROFILES)}")
        chosen = PROFILES[profile]
        if min_face is not None:
            if not min_face > 0:
                raise ValueError("min_face must be positive")
            chosen = Profile(chosen.name, min_face, min(chosen.floor, 12.0), chosen.thresholds)
        cv2.setNumThreads(threads)
        return cls(chosen, threads)

    def detect(self, picture: Picture) -> list[Face]:
        """All faces of a picture, highest score first, in full-size upright pixels."""
        smallest = self._min_face(picture.width, picture.height) / picture.reduction
        proposals = propose_by_level(
            self._proposer, picture.pixels, smallest, self._profile.thresholds[0]
        )
        boxes = self._refine(picture.pixels, _settle(proposals))
        return [_enlarge(face, picture.reduction) for face in self._finish(picture.pixels, boxes)]

    def landmarks(self, crop: Pixels) -> Face | None:
        """Landmarks of a picture that is a face crop, regressed by O-Net from the whole of it.

        Args:
            crop: uint8[h,w,3] RGB.

        Returns:
            A face whose box is O-Net's, or None where its score is below the profile's threshold.
        """
        side = cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA)
        output = self._marker(side[None])
        height, width = crop.shape[:2]
        faces = _read_faces(np.array([[1.0, 1.0, width, height]]), output)
        return faces[0] if faces[0].score > self._profile.thresholds[2] else None

    def reduction_for(self, header: Header) -> int:
        """The largest JPEG reduction (1, 2, 4, 8) that costs this profile nothing."""
        del header
        return 1

    def _min_face(self, width: int, height: int) -> float:
        wanted = self._profile.min_face
        if wanted < 1:
            return max(wanted * min(width, height), self._profile.floor)
        return wanted

    def _refine(self, pixels: Pixels, boxes: Boxes) -> Boxes:
        """R-Net: drop most candidates, move the rest, back to squares."""
        if not len(boxes):
            return boxes
        output = self._refiner(cut_exactly(pixels, boxes, 24))
        scores = sigmoid(output[:, 4])
        passed = scores > self._profile.thresholds[1]
        boxes, scores, output = boxes[passed], scores[passed], output[passed]
        kept = suppress(boxes, scores, REFINE_OVERLAP)
        return square(apply_offsets(boxes[kept], output[kept, :4]))

    def _finish(self, pixels: Pixels, boxes: Boxes) -> list[Face]:
        """O-Net: final score, box and landmarks, best first."""
        if not len(boxes):
            return []
        output = self._marker(cut_exactly(pixels, boxes, 48))
        scores = sigmoid(output[:, 14])
        passed = scores > self._profile.thresholds[2]
        boxes, scores, output = boxes[passed], scores[passed], output[passed]
        moved = apply_offsets(boxes, output[:, :4])
        kept = suppress(moved, scores, FINAL_OVERLAP, by_smaller=True)
        return _read_faces(boxes[kept], output[kept])


def _settle(proposals: Proposals) -> Boxes:
    """P-Net's candidates, suppressed across levels, moved and made square."""
    kept = suppress(proposals.boxes, proposals.scores, ACROSS_LEVELS)
    return square(apply_proposal_offsets(proposals.boxes[kept], proposals.offsets[kept]))


def _read_faces(boxes: Boxes, output: Floats) -> list[Face]:
    """Faces from O-Net's float32[N,15] for the boxes whose crops it saw."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    # Landmarks count pixels from 0, unlike boxes.
    across = output[:, 4:9] * sides[:, :1] + boxes[:, :1] - 1
    down = output[:, 9:14] * sides[:, 1:] + boxes[:, 1:2] - 1
    points = np.stack([across, down], axis=-1).astype(np.float32)
    moved, scores = apply_offsets(boxes, output[:, :4]), sigmoid(output[:, 14])
    return [
        Face((float(box[0]), float(box[1]), float(box[2]), float(box[3])), marks, float(score))
        for box, marks, score in zip(moved, points, scores, strict=True)
    ]


def _enlarge(face: Face, reduction: int) -> Face:
    """A face found in a reduced picture, in full-size pixels."""
    if reduction == 1:
        return face
    left, top, right, bottom = face.box
    # A box starts at pixel 1 and includes its last pixel; landmarks are centres, from 0.
    box = (
        (left - 1) * reduction + 1,
        (top - 1) * reduction + 1,
        right * reduction,
        bottom * reduction,
    )
    return Face(box, (face.landmarks + 0.5) * reduction - 0.5, face.score)
