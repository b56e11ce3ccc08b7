"""Whether a face is good enough to compare. This is neither identity nor liveness."""

from dataclasses import replace

from align import FaceRule
from handler.errors import ApiError
from handler.faces.requests import QualityLimits
from handler.faces.types import FoundFace, PictureFaces

# A chip of the common networks; a face as large loses nothing to its own size.
FULL_SIZE = 112
INDISTINCT = "indistinct"
SHARPNESS_POWER = 5
# What both detector profiles ask of a face. Below it are only faces whose orientation is in doubt.
LOWEST_SCORE = 0.7


def require_quality(
    faces: list[FoundFace], wanted: float | QualityLimits | None, rule: FaceRule
) -> list[FoundFace]:
    """The faces that can be judged. With rule `all` the others are left out.

    Raises LowQuality, with the reasons, where no face is left of those that were there.
    """
    if wanted is None or not faces:
        return faces
    reasons = [shortcomings(face, wanted) for face in faces]
    good = [face for face, lacks in zip(faces, reasons, strict=True) if not lacks]
    if good and (rule == "all" or len(good) == len(faces)):
        return good
    named = sorted({reason for lacks in reasons for reason in lacks})
    raise ApiError(
        "LowQuality",
        f"The quality of the face is too low: {', '.join(named)}.",
        details={"reasons": named},
    )


def require_distinct(
    picture: PictureFaces, wanted: float | QualityLimits | None, rule: FaceRule
) -> PictureFaces:
    """The embedded faces that the model can tell apart. With rule `all` the others are left out.

    A `min_quality` of 0 lets everything pass. Raises LowQuality where no face is left.
    """
    if wanted == 0:
        return picture
    distinct = tuple(face for face in picture.faces if not face.indistinct)
    if len(distinct) == len(picture.faces) or (distinct and rule == "all"):
        return replace(picture, faces=distinct)
    raise ApiError(
        "LowQuality",
        "The model cannot tell this face from others: it is too blurred, noisy, dark, covered or "
        "turned. Use min_quality 0 to compare it anyway.",
        details={"reasons": [INDISTINCT]},
    )


def shortcomings(face: FoundFace, wanted: float | QualityLimits) -> list[str]:
    """The reasons, as stable words, why `face` falls short of `wanted`; empty if it does not."""
    limits = wanted if isinstance(wanted, QualityLimits) else limits_for(wanted)
    measured = face.quality
    if measured is None:
        return ["no_landmarks"]
    checks = {
        "too_small": measured.size < limits.size,
        "blurred": measured.sharpness < limits.sharpness,
        "too_dark": measured.brightness < limits.brightness,
        "too_bright": measured.brightness > 1 - limits.brightness,
        "turned": abs(measured.yaw) > limits.yaw or abs(measured.pitch) > limits.pitch,
        "tilted": abs(measured.roll) > limits.roll,
        "low_score": face.score < limits.score,
    }
    return [reason for reason, lacks in checks.items() if lacks]


def limits_for(share: float) -> QualityLimits:
    """One number, 0 (anything) to 1 (a passport photograph), as single limits.

    Tilt is left free: alignment turns the face upright. No face passes whose score was lowered
    because it may stand otherwise.
    """
    # Sharpness falls steeply with blur, long before faces become indistinct. Of LFW's pictures
    # (250 pixels wide) under a Gaussian of sigma 3, 95 % have more than 0.0032; the fifth power
    # takes 0.3 to 0.0024, and 0.5 to 0.03, which is more than such pictures have.
    return QualityLimits(
        size=share * FULL_SIZE,
        sharpness=share**SHARPNESS_POWER,
        brightness=share * 0.4,
        yaw=90 - 75 * share,
        pitch=90 - 75 * share,
        score=max(share * 0.9, LOWEST_SCORE) if share else 0.0,
    )
