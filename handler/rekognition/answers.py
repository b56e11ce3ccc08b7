"""Faces as Rekognition's answers show them. What the model does not measure is left out."""

from msgspec import UNSET, Struct, UnsetType

from handler.faces.answers import Box, FaceAnswer

# Ours are from left to right as seen in the picture, and so are theirs.
LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
PERCENT_DECIMALS = 5


class BoundingBox(Struct, frozen=True, rename="pascal"):
    """Shares of the picture's width and height."""

    width: float
    height: float
    left: float
    top: float


class Landmark(Struct, frozen=True, rename="pascal"):
    """A point, as shares of the picture's width and height."""

    type: str
    x: float
    y: float


class Pose(Struct, frozen=True, rename="pascal"):
    """Degrees."""

    roll: float
    yaw: float
    pitch: float


class ImageQuality(Struct, frozen=True, rename="pascal"):
    """0 to 100."""

    brightness: float
    sharpness: float


class FaceDetail(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A ComparedFace, or a FaceDetail of default attributes: they have the same members."""

    bounding_box: BoundingBox
    confidence: float
    landmarks: list[Landmark] | UnsetType = UNSET
    pose: Pose | UnsetType = UNSET
    quality: ImageQuality | UnsetType = UNSET


def face_detail(face: FaceAnswer, width: int, height: int) -> FaceDetail:
    """A face of a picture of `width` x `height` pixels."""
    quality = face.quality
    points = face.landmarks
    return FaceDetail(
        bounding_box=bounding_box(face.box_ratio),
        confidence=percent(face.score),
        landmarks=UNSET
        if points is None
        else [
            Landmark(name, round(x / width, 5), round(y / height, 5))
            for name, (x, y) in zip(LANDMARKS, points, strict=True)
        ],
        pose=Pose(quality.roll, quality.yaw, quality.pitch) if quality else UNSET,
        quality=ImageQuality(percent(quality.brightness), percent(quality.sharpness))
        if quality
        else UNSET,
    )


def bounding_box(ratio: Box) -> BoundingBox:
    """Our box as theirs."""
    return BoundingBox(ratio.width, ratio.height, ratio.left, ratio.top)


def percent(share: float) -> float:
    """0 to 1 as 0 to 100."""
    return round(min(max(share, 0.0), 1.0) * 100, PERCENT_DECIMALS)
