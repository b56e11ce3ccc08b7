"""What a second look is: how a picture is looked at again where no face was found that is sure.

Each step is taken only if those before it found no such face. Together they cost at most three
times the first look (`python -m bench.recall` measures it): a step that looks for larger faces
only is cheaper by the square of their size, and no step looks at more pixels than it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from align.boxes import square
from align.cascade import Cascade, Profile
from align.light import level_light
from align.mipmaps import Mipmaps
from align.opencv import cv2
from align.orientation import best_of, same_face, stand
from align.turning import turn_pixels
from align.types import Check, Face, Floats, Pixels, Timed
from align.views import ExactView, FastView, View

TRUSTED = 0.97  # below: 1 % of the faces of LFW, and most of what is no face
GREY = (128, 128, 128)
CROP_SIDE = 48
# P-Net's cell: it cannot see smaller faces unless the picture is enlarged, which gains nothing.
SMALLEST_FACE = 12.0


@dataclass(frozen=True)
class Look:
    """One look at the picture, in good light.

    Attributes:
        turns: quarter turns counterclockwise of the picture before it is looked at.
        border: width of a grey frame around it, as a share of its shorter side.
        coarser: the smallest face sought, in those of the first look.
        most: candidates of P-Net (a level), R-Net and O-Net that are looked at, the best ones.
        accepted: the score that a face needs.
    """

    turns: int = 0
    border: float = 0.0
    coarser: float = 1.0
    most: tuple[int, int, int] = (300, 6, 3)
    accepted: float = 0.95


FAINT = Look(most=(1_000, 8, 4))
STEPS: tuple[tuple[str, tuple[Look, ...]], ...] = (
    ("detect_border", (Look(border=0.25, coarser=2.5, most=(300, 10, 5), accepted=0.8),)),
    ("detect_faint", (FAINT,)),
    ("detect_turned", tuple(Look(turns, 0.1, 2.2) for turns in (1, 2, 3))),
)
# What P-Net and R-Net let pass, and O-Net where a look does not ask for more.
THRESHOLDS = (0.4, 0.5, 0.7)


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture of uint8[h,w,3] RGB, and how it is looked at: `min_face` is in its pixels."""

    pixels: Pixels
    cascade: Cascade
    profile: Profile
    min_face: float
    check: Check
    _kept: dict[float, Pixels] = field(default_factory=dict, init=False)

    @cached_property
    def whole(self) -> View:
        """The view of the whole picture; it keeps what P-Net said of it."""
        return self.view(self.pixels)

    def find(self) -> list[Face]:
        """The faces of a plain look at the whole picture."""
        return self.cascade.find(self.whole, self.profile, self.min_face)

    def view(self, pixels: Pixels) -> View:
        exact = self.profile.name == "exact"
        return (ExactView if exact else FastView)(pixels, self.check)

    def shrunk(self, scale: float) -> Pixels:
        """The picture at a scale of at most 1; kept."""
        if scale == 1:
            return self.pixels
        if scale not in self._kept:
            size = [max(round(side * scale), 1) for side in self.pixels.shape[1::-1]]
            near = cv2.resize(Mipmaps(self.pixels).at_least(scale), size)
            self._kept[scale] = np.asarray(near, np.uint8)
        return self._kept[scale]

    def in_good_light(self) -> "Scene":
        """The same picture with its light levelled; this one where that changes little."""
        levelled = level_light(self.pixels)
        return self if levelled is None else replace(self, pixels=levelled)


def look_again(scene: Scene, faces: Sequence[Face], timed: Timed) -> list[Face]:
    """The faces of a first look as they stand, and where none is sure those of further looks.

    Best first. `timed` is opened around the check of orientations and around each step.
    """
    with timed("detect_orientation"):
        found = _standing(scene, faces)
    lit: Scene | None = None
    for name, looks in STEPS:
        if _is_sure(found):
            break
        with timed(name):
            lit = lit or scene.in_good_light()
            found = _take_step(lit, looks, found, seen=lit is scene)
    return sorted(found, key=lambda face: -face.score)


def _take_step(scene: Scene, looks: Sequence[Look], found: list[Face], seen: bool) -> list[Face]:
    """`seen`: the first look was at the very same pixels."""
    for look in looks:
        if not _is_sure(found):
            fainter = seen and look is FAINT
            faces = _look_fainter(scene) if fainter else _look(scene, look)
            faces = [face for face in faces if face.score >= look.accepted]
            found = _merge(found, _standing(scene, faces))
    return found


def _is_sure(faces: Sequence[Face]) -> bool:
    return any(face.score >= TRUSTED for face in faces)


def _look(scene: Scene, look: Look) -> list[Face]:
    """What one look finds, in the pixels of the scene."""
    min_face = scene.min_face * look.coarser
    scale = min(CROP_SIDE / min_face, 1.0)
    pixels = scene.shrunk(scale)
    height, width = pixels.shape[:2]
    seen = turn_pixels(pixels, look.turns)
    frame = round(min(width, height) * look.border)
    if frame:
        sides = (frame, frame, frame, frame)
        seen = cv2.copyMakeBorder(seen, *sides, cv2.BORDER_CONSTANT, value=GREY)
    profile = replace(scene.profile, thresholds=THRESHOLDS, most=look.most)
    faces = scene.cascade.find(scene.view(seen), profile, max(min_face * scale, SMALLEST_FACE))
    size = (height, width) if look.turns % 2 else (width, height)
    return [
        face.moved(-frame, -frame).turned(-look.turns, *size).enlarged(1 / scale) for face in faces
    ]


def _look_fainter(scene: Scene) -> list[Face]:
    """What the first look left out as P-Net was not sure of it, and no more."""
    profile = replace(
        scene.profile,
        thresholds=THRESHOLDS,
        most=FAINT.most,
        ceiling=scene.profile.thresholds[0],
    )
    return scene.cascade.find(scene.whole, profile, scene.min_face)


def _standing(scene: Scene, faces: Sequence[Face]) -> list[Face]:
    def ask(face: Face) -> Floats:
        scene.check()
        crop = scene.whole.cut(square(np.array([face.box])), CROP_SIDE)[0]
        turned = np.stack([np.rot90(crop, turns) for turns in range(4)])
        return scene.cascade.describe(turned)[:, 14]

    return stand(faces, ask, lambda face, turns: _improve(scene, face, turns))


def _improve(scene: Scene, face: Face, turns: int) -> list[Face]:
    """Faces at the place of a face, looked for after quarter turns of what is around it."""
    left, top, right, bottom = _around(face, scene.pixels.shape[1], scene.pixels.shape[0])
    part = np.ascontiguousarray(scene.pixels[top:bottom, left:right])
    seen = turn_pixels(part, turns)
    place = face.moved(-left, -top).turned(turns, right - left, bottom - top)
    boxes = square(np.array([place.box]))
    found = scene.cascade.improve(scene.view(seen), scene.profile, boxes)
    height, width = seen.shape[:2]
    return [each.turned(-turns, width, height).moved(left, top) for each in found]


def _around(face: Face, width: int, height: int) -> tuple[int, int, int, int]:
    """A square three times as large as a face, as far as the picture goes, at least a pixel."""
    left, top, right, bottom = face.box
    reach = max(face.width, face.height)
    across = np.clip((left - reach, right + reach), 0, width - 1).astype(int).tolist()
    down = np.clip((top - reach, bottom + reach), 0, height - 1).astype(int).tolist()
    return across[0], down[0], across[1] + 1, down[1] + 1


def _merge(known: Sequence[Face], found: Sequence[Face]) -> list[Face]:
    """Both, each face once: as it scores best, and lower where it may stand otherwise."""
    merged = list(known)
    for face in found:
        same = [other for other in merged if same_face(face, other)]
        merged = [other for other in merged if other not in same]
        merged.append(best_of([*same, face]))
    return merged
