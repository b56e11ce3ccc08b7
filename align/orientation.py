"""Finds which way up a face is, by what R-Net and O-Net score after quarter turns.

The nets were trained on upright faces, yet find one in six that is turned by quarters, with
landmarks as if it stood upright. Seen upright, such a face scores much higher than seen as it was
found: of 385 of them (LFW turned, `fast`) none scored above 0.996, a portrait upside down 0.9987.
Faces above 0.999 need no check, which skips it for two thirds of upright faces.
`python -m bench.recall` counts what is still found the wrong way up.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from align.types import Face, Floats

SURE = 0.999
# An orientation is examined when its logit is within this distance of the original one: a face that
# was found the wrong way up lies off its centre, and scores less than it should after the turn.
RIVAL = 2.5
# The same for R-Net, which is asked first because it costs a fifth of O-Net. Of 784 faces of LFW
# that were found the wrong way up, 783 have their right orientation within this distance. Of an
# upright face's other orientations one in seven is, and only those go to O-Net.
REFINED_RIVAL = 4.0
# Bonus for upright, as a logit, when two orientations score alike: most faces are upright. With
# this, and with 1, none of LFW's 2,320 upright pictures is turned.
UPRIGHT = 2.25
# The same bonus where the doubt is computed: a turned face that scores as high as the upright one
# counts as a rival.
UPRIGHT_IN_DOUBT = 1.0
# Two tilts that are closer than so many degrees are one orientation.
SAME_TILT = 45
# Two boxes are the same face above this share of their union, or of the smaller box.
SAME_FACE, NESTED = 0.3, 0.7
# Widths of eyes and mouth, and where the tip of the nose is, in lengths from eyes to mouth. Of 670
# faces (LFW, and tight crops that include profiles) the extremes are 0.56, 1.26, 0.09 and 0.86.
NARROWEST, WIDEST = 0.3, 2.0
HIGHEST_NOSE, LOWEST_NOSE = -0.1, 1.15

# Of faces, O-Net's logits float32[N,4] after 0 to 3 quarter turns of the picture. It must be -inf
# for the orientation as found, and may be for those that are unlikely.
Ask = Callable[[Sequence[Face]], Floats]
# Faces found anew at a face's place after so many quarter turns, in the picture's own frame.
Improve = Callable[[Face, int], Sequence[Face]]


def correct_orientations(faces: Iterable[Face], ask: Ask, improve: Improve) -> list[Face]:
    """The faces as they stand. One whose orientation is in doubt has a lower score.

    Args:
        faces: as they were found.
        ask: called once, with the faces that are not sure, if there are any.
        improve: called for each orientation that scores about as high as the one found.
    """
    kept = [face for face in faces if is_face_like(face)]
    unsure = [index for index, face in enumerate(kept) if face.score < SURE]
    if unsure:
        for index, logits in zip(unsure, ask([kept[index] for index in unsure]), strict=True):
            kept[index] = _correct_orientation(kept[index], logits, improve)
    return kept


def _correct_orientation(face: Face, logits: Floats, improve: Improve) -> Face:
    found = [face]
    for turns in np.flatnonzero(logits > logit(face.score) - RIVAL).tolist():
        # One that does not stand upright then has worse landmarks than are known already.
        upright = [each for each in improve(face, turns) if each.turns == turns]
        found += [each for each in upright if is_face_like(each) and same_face(each, face)]
    return best_of(found)


def best_of(faces: Sequence[Face]) -> Face:
    """The most likely face; its score is lowered if another orientation is nearly as likely."""
    if len(faces) == 1:
        return faces[0]
    best = max(faces, key=lambda face: _likelihood(face, UPRIGHT))
    others = [
        _likelihood(face, UPRIGHT_IN_DOUBT) for face in faces if _differ_in_orientation(face, best)
    ]
    if not others:
        return best
    lead = _likelihood(best, UPRIGHT_IN_DOUBT) - max(others)
    return replace(best, score=best.score / (1 + math.exp(-lead)))


def _differ_in_orientation(one: Face, other: Face) -> bool:
    """Whether two faces stand differently, more than two looks at a tilted one may say."""
    return abs((one.tilt - other.tilt + 180) % 360 - 180) > SAME_TILT


def _likelihood(face: Face, upright: float) -> float:
    return logit(face.score) + (0.0 if face.turns else upright)


def logit(score: float) -> float:
    """A score, 0 to 1, as the net's own number; scores of 0 and 1 as it never gets there."""
    bounded = min(max(score, 1e-7), 1 - 1e-7)
    return math.log(bounded / (1 - bounded))


def is_face_like(face: Face) -> bool:
    """Whether landmarks are in a face's order, and roughly of its proportions."""
    left_eye, right_eye, nose, left_mouth, right_mouth = (
        complex(x, y) for x, y in face.landmarks.tolist()
    )
    between = (left_eye + right_eye) / 2
    down = (left_mouth + right_mouth) / 2 - between
    if down == 0:
        return False
    # Seen along `down`: what lies to the face's right in the picture has a negative imaginary part.
    eyes, mouth = (right_eye - left_eye) / down, (right_mouth - left_mouth) / down
    tip = (nose - between) / down
    in_order = eyes.imag < 0 and mouth.imag < 0 and HIGHEST_NOSE < tip.real < LOWEST_NOSE
    return in_order and NARROWEST < max(abs(eyes), abs(mouth)) < WIDEST


def same_face(one: Face, other: Face) -> bool:
    """Whether two boxes are of one face: they overlap, or one lies in the other."""
    across = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    down = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    shared = max(across, 0.0) * max(down, 0.0)
    areas = one.width * one.height, other.width * other.height
    return shared > SAME_FACE * (sum(areas) - shared) or shared > NESTED * min(areas)
