"""Quality of a face: size, sharpness, brightness and pose, from the box and landmarks."""

import math
from dataclasses import dataclass

import numpy as np

from align.alignment import TEMPLATE_SIZE, SimilarityAlignment, align_similarity
from align.opencv import cv2
from align.types import Face, Floats, Picture, Pixels

# Pose by scaled orthography (DeMenthon and Davis 1995, "POS"): a rigid face of five points is
# fitted to the landmarks. Across and down it is the median face of 580 LFW pictures as the `fast`
# detector marks it, on the alignment template and made symmetric (`python -m bench.quality`). By
# the template itself, which has the nose higher, it would look 6 degrees down. Only the nose leaves
# the plane: with eyes 63 mm apart (Dodgson 2004) its tip stands some 30 mm before that of eyes and
# mouth corners.
STRAIGHT: Floats = np.array(
    [(38.0, 52.2), (73.8, 52.2), (55.9, 73.1), (40.5, 91.2), (71.3, 91.2)], np.float32
)
NOSE_DEPTH = 30 / 63 * float(np.linalg.norm(STRAIGHT[1] - STRAIGHT[0]))
MODEL = np.column_stack([STRAIGHT - STRAIGHT.mean(axis=0), [0, 0, -NOSE_DEPTH, 0, 0]])
MODEL_INVERSE = np.linalg.pinv(MODEL - MODEL.mean(axis=0))
# The part of the chip that is face rather than hair and background: rows and columns.
FACE_REGION = (slice(32, 104), slice(24, 88))
# Energy of the Laplacian over the region's own contrast that counts as half sharp. With it, faces
# of LFW have a median of 0.7, and a Gaussian blur of a twentieth of the face takes them to 0.1.
HALF_SHARP = 0.08
SMALLEST_AREA = 1e-12  # of a face's two axes, in square template units


@dataclass(frozen=True)
class Quality:
    """Quality of a face.

    Attributes:
        size: shorter side of the box in pixels of the full picture.
        sharpness: 0 (blurred) to 1.
        brightness: mean luma of the face, 0 (black) to 1 (white).
        yaw: degrees; positive where the face looks to the right side of the picture.
        pitch: degrees; positive where it looks up.
        roll: degrees; positive where it is turned clockwise in the picture.
    """

    size: int
    sharpness: float
    brightness: float
    yaw: float
    pitch: float
    roll: float


def measure_quality(picture: Picture, face: Face) -> Quality:
    """Measure one face of a picture."""
    chip = SimilarityAlignment(TEMPLATE_SIZE)
    region = cv2.cvtColor(align_similarity(picture, face, chip, FACE_REGION), cv2.COLOR_RGB2GRAY)
    yaw, pitch, roll = estimate_pose(face.landmarks)
    return Quality(
        size=int(min(face.width, face.height)),
        sharpness=measure_sharpness(region),
        brightness=cv2.mean(region)[0] / 255,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
    )


def measure_sharpness(region: Pixels) -> float:
    """Energy of the Laplacian over the contrast (Pech-Pacheco et al. 2000), mapped to 0..1.

    Args:
        region: uint8[h,w], the grey face.
    """
    contrast = _variance(region) + 1.0  # a squared grey level, so that flat is not sharp
    energy = _variance(cv2.Laplacian(region, cv2.CV_32F)) / contrast
    return energy**2 / (energy**2 + HALF_SHARP**2)


def _variance(values: Pixels | Floats) -> float:
    """OpenCV's is five times faster than NumPy's on an array of this size."""
    return float(cv2.meanStdDev(values)[1][0, 0]) ** 2


def estimate_pose(landmarks: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees from five landmarks, float32[5,2]; an approximation."""
    # Least squares for the first two rows of a scaled rotation; then the nearest rotation. The
    # model's points are centred, so that the landmarks need not be.
    axes = landmarks.T.astype(np.float64) @ MODEL_INVERSE.T
    across, down = _nearest_rotation(*axes.tolist())
    # The face looks along -z of its model: in the picture that is (-across.z, -down.z).
    yaw = math.atan2(-across[2], across[0] * down[1] - across[1] * down[0])
    pitch = math.asin(min(max(down[2], -1), 1))
    roll = math.atan2(down[0], across[0])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def _nearest_rotation(across: list[float], down: list[float]) -> tuple[list[float], list[float]]:
    """The nearest orthogonal rows of length 1: M^(-1/2) A of the 2x3 matrix A, with M = A A^T.

    The root of a 2x2 matrix has a closed form (Levinger 1980): with s = sqrt(det M) it is
    (M + s I) / sqrt(trace M + 2 s). Rows (nearly) along one line give numbers, but no rotation.
    """
    a, b, d = _dot(across, across), _dot(across, down), _dot(down, down)
    s = max(math.sqrt(max(a * d - b * b, 0.0)), SMALLEST_AREA)
    scale = 1 / (s * math.sqrt(a + d + 2 * s))
    first, second, both = (d + s) * scale, (a + s) * scale, -b * scale
    pairs = list(zip(across, down, strict=True))
    return [first * x + both * y for x, y in pairs], [both * x + second * y for x, y in pairs]


def _dot(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))
