"""Whether a face is good enough to compare. This is neither identity nor liveness."""

from align import FaceRule
from handler.errors import ApiError
from handler.faces.requests import QualityLimits
from handler.faces.types import FoundFace

# A chip of the common networks; a face as large loses nothing to its own size.
FULL_SIZE = 112


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

    Tilt is left free: alignment turns the face upright.
    """
    return QualityLimits(
        size=share * FULL_SIZE,
        sharpness=share,
        brightness=share * 0.4,
        yaw=90 - 75 * share,
        pitch=90 - 75 * share,
        score=share * 0.9,
    )
