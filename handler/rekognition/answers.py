"""Faces as Rekognition's answers show them. What the model does not measure is left out."""

from collections.abc import Sequence

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


class IndexedFace(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A Face of a collection."""

    face_id: str
    bounding_box: BoundingBox | UnsetType = UNSET
    image_id: str | UnsetType = UNSET
    external_image_id: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    user_id: str | UnsetType = UNSET

    @classmethod
    def of(
        cls,
        face_id: str,
        *,
        box: Sequence[float] | None,
        image: str | None,
        external: str | None,
        confidence: float | None,
        user: str | None,
    ) -> "IndexedFace":
        """With what is known; `box` is width, height, left, top."""
        return cls(
            face_id=face_id,
            bounding_box=UNSET if box is None else BoundingBox(*box),
            image_id=UNSET if image is None else image,
            external_image_id=UNSET if external is None else external,
            confidence=UNSET if confidence is None else confidence,
            user_id=UNSET if user is None else user,
        )


class FaceMatch(Struct, frozen=True, rename="pascal"):
    """A face of the collection that is similar enough."""

    similarity: float
    face: IndexedFace


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
