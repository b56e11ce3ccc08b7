"""Which of several faces a request is about."""

from collections.abc import Sequence
from typing import Literal, get_args

from align.types import Face

FaceRule = Literal["largest", "central", "all"]


def select(faces: Sequence[Face], rule: FaceRule, width: int, height: int) -> list[int]:
    """Indices of the chosen faces.

    Args:
        faces: the detected faces of one picture.
        rule: "largest" (area), "central" (area minus twice the squared distance of the box
            centre from the picture's, the rule of davidsandberg's align_dataset_mtcnn), or "all".
        width: full upright width of the picture in pixels.
        height: full upright height of the picture in pixels.

    Returns:
        One index for "largest" and "central", none where there is no face; every index, in
        the given order, for "all".

    Raises:
        ValueError: another rule.
    """
    if rule not in get_args(FaceRule):
        raise ValueError(f"unknown selection rule {rule!r}: choose from {get_args(FaceRule)}")
    if rule == "all" or not faces:
        return list(range(len(faces)))
    if rule == "largest":
        weights = [face.width * face.height for face in faces]
    else:
        weights = [_centrality(face, width, height) for face in faces]
    return [weights.index(max(weights))]


def _centrality(face: Face, width: int, height: int) -> float:
    left, top, right, bottom = face.box
    across = (left + right) / 2 - width / 2
    down = (top + bottom) / 2 - height / 2
    return face.width * face.height - 2 * (across**2 + down**2)
