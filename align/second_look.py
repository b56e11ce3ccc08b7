"""The second look: repeated detection where the first pass found no face with certainty.

Each step is taken only if those before it found no such face. Where there is none, they cost less
together than three first looks in the median, and more in small or dark pictures (`python -m
bench.recall` measures it): a step that looks for larger faces only is cheaper by the square of
their size, no step looks at more pixels than it needs, and all of them look as the fast profile
does. At the end, a turned face that these steps or the check of orientations found is looked at as
the first look, with its own profile, would see it upright.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from align.boxes import square
from align.cascade import Cascade, Profile
from align.light import level_light
from align.mipmaps import Mipmaps
from align.opencv import cv2
from align.orientation import REFINED_RIVAL, best_of, correct_orientations, same_face
from align.turning import turn_pixels, turn_size
from align.types import Check, Face, Floats, Pixels, Timed
from align.views import ExactView, FastView, View

TRUSTED = 0.97  # below: 1 % of the faces of LFW, and most of what is no face
GREY = 128
REFINED_SIDE, CROP_SIDE = 24, 48  # of what R-Net and O-Net see
MOST_EMPTY = 2.0  # area of a sheet, in those of the pictures on it
# P-Net's cell: it cannot see smaller faces unless the picture is enlarged, which gains nothing.
SMALLEST_FACE = 12.0


@dataclass(frozen=True)
class Look:
    """One look at the picture, in good light.

    Attributes:
        most: candidates of P-Net (a level), R-Net and O-Net that are looked at, the best ones.
        turns: quarter turns counterclockwise of the picture; where there are several, the turned
            pictures lie side by side and are looked at at once.
        border: width of a grey frame around each, as a share of the picture's shorter side.
        coarser: the smallest face sought, in those of the first look; less in small pictures.
        accepted: the score that a face needs.
    """

    most: tuple[int, int, int]
    turns: tuple[int, ...] = (0,)
    border: float = 0.0
    coarser: float = 1.0
    accepted: float = 0.95


# `coarser` counts where the light had to be levelled; else P-Net's cells are known already.
FAINT = Look(coarser=1.4, most=(1_000, 10, 4))
STEPS: tuple[tuple[str, Look], ...] = (
    ("detect_border", Look(border=0.25, coarser=2.5, most=(300, 12, 4), accepted=0.8)),
    ("detect_faint", FAINT),
    ("detect_turned", Look(turns=(1, 2, 3), border=0.1, coarser=2.35, most=(600, 16, 4))),
)
# Thresholds of P-Net and R-Net, and of O-Net unless a look sets a higher one.
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

    @cached_property
    def whole_again(self) -> View:
        """The view of the whole picture that further looks take: the fast one, as it costs less."""
        exact = self.profile.name == "exact"
        return FastView(Mipmaps(self.pixels), self.check) if exact else self.whole

    def find(self) -> list[Face]:
        """The faces of a plain look at the whole picture."""
        return self.cascade.find(self.whole, self.profile, self.min_face)

    def find_turned(self, turns: int) -> list[Face]:
        """The faces of a plain look at the picture after quarter turns, in the picture's frame."""
        faces = self.cascade.find(self.whole.turned(turns), self.profile, self.min_face)
        size = turn_size(self.pixels.shape[1], self.pixels.shape[0], turns)
        return [face.turned(-turns, *size) for face in faces]

    def view(self, pixels: Pixels) -> View:
        if self.profile.name == "exact":
            return ExactView(pixels, self.check)
        return FastView(Mipmaps(pixels), self.check)

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


def look_again(
    scene: Scene, faces: Sequence[Face], timed: Timed, has_time: Callable[[], bool]
) -> list[Face]:
    """The faces of a first look as they stand, and where none is sure those of further looks.

    Best first. `timed` is opened around the check of orientations and around each step, which is
    taken only where `has_time` says so: a picture without a face is then one that has none.
    """
    with timed("detect_orientation"):
        found = _correct_orientations(scene, faces)
    lit: Scene | None = None
    for name, look in STEPS:
        if _is_sure(found) or not has_time():
            break
        with timed(name):
            lit = lit or scene.in_good_light()
            fainter = look is FAINT and lit is scene
            more = _search_fainter(scene) if fainter else _search(lit, look)
            more = [face for face in more if face.score >= look.accepted]
            found = _merge(found, _correct_orientations(lit, more))
    turned = [face for face in found if face.turns and face not in faces]
    if turned and has_time():
        scenes = dict.fromkeys([scene, lit or scene])
        with timed("detect_upright"):
            found = [face for face in found if face not in turned]
            for turns in {face.turns for face in turned}:
                alike = [face for face in turned if face.turns == turns]
                found += _see_upright(scenes, alike, turns, has_time)
    return sorted(found, key=lambda face: -face.score)


def _see_upright(
    scenes: Iterable[Scene], faces: Sequence[Face], turns: int, has_time: Callable[[], bool]
) -> list[Face]:
    """Faces that stand upright after so many turns, as a first look sees them then.

    So a picture gives the same landmarks whichever way it is turned. What the first scene does not
    show is looked for in the next one, and what none shows stays as it is.
    """
    seen: list[Face] = []
    left = list(faces)
    for scene in scenes:
        if not left or not has_time():
            break
        found = [face for face in scene.find_turned(turns) if face.turns == turns]
        matches = [_match(face, found) for face in left]
        seen += [match for match in matches if match is not None]
        left = [face for face, match in zip(left, matches, strict=True) if match is None]
    return seen + left


def _match(face: Face, found: Sequence[Face]) -> Face | None:
    """The best of those found at a face's place, but with its score: that knows of its doubts."""
    same = [each for each in found if same_face(each, face)]
    best = max(same, key=lambda each: each.score, default=None)
    return best and replace(best, score=face.score)


def _is_sure(faces: Sequence[Face]) -> bool:
    return any(face.score >= TRUSTED for face in faces)


def _search(scene: Scene, look: Look) -> list[Face]:
    """What one look finds, in the pixels of the scene."""
    shorter = min(scene.pixels.shape[:2])
    min_face = max(min(scene.min_face * look.coarser, shorter), scene.min_face)
    scale = min(CROP_SIDE / min_face, 1.0)
    pixels = scene.shrunk(scale)
    profile = replace(scene.profile, thresholds=THRESHOLDS, most=look.most)
    smallest = max(min_face * scale, SMALLEST_FACE)
    found: list[Face] = []
    for turns in _group_turns(pixels, look.turns):
        sheet, tiles = _lay_out(pixels, turns, look.border)
        faces = scene.cascade.find(FastView(Mipmaps(sheet), scene.check), profile, smallest)
        found += [
            tile.bring_back(face).enlarged(1 / scale)
            for tile in tiles
            for face in faces
            if tile.holds(face)
        ]
    return found


def _group_turns(pixels: Pixels, turns: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All turns on one sheet, or each on its own where most of a common sheet would be empty.

    A picture of 16,384 x 500 and its turned copies would make a sheet of 285 megapixels.
    """
    height, width = pixels.shape[:2]
    across = sum(height if each % 2 else width for each in turns)
    down = max(width if each % 2 else height for each in turns)
    if across * down <= MOST_EMPTY * len(turns) * height * width:
        return [turns]
    return [(each,) for each in turns]


@dataclass(frozen=True)
class _Tile:
    """A turned picture on a sheet: where it starts, and its size in pixels."""

    turns: int
    left: int
    top: int
    width: int
    height: int

    def holds(self, face: Face) -> bool:
        return self.left <= (face.box[0] + face.box[2]) / 2 < self.left + self.width

    def bring_back(self, face: Face) -> Face:
        """A face of the sheet, in the picture before it was turned."""
        return face.moved(-self.left, -self.top).turned(-self.turns, self.width, self.height)


def _lay_out(
    pixels: Pixels, turns_of: tuple[int, ...], border: float
) -> tuple[Pixels, list[_Tile]]:
    """The turned pictures of a look side by side on grey, uint8[h,w,3]."""
    frame = round(min(pixels.shape[:2]) * border)
    turned = [turn_pixels(pixels, turns) for turns in turns_of]
    if not frame and len(turned) == 1:
        high, wide = turned[0].shape[:2]
        return turned[0], [_Tile(turns_of[0], 0, 0, wide, high)]
    width = sum(each.shape[1] + 2 * frame for each in turned)
    height = max(each.shape[0] for each in turned) + 2 * frame
    sheet = np.full((height, width, 3), GREY, np.uint8)
    tiles, left = [], frame
    for turns, each in zip(turns_of, turned, strict=True):
        tile = _Tile(turns, left, frame, each.shape[1], each.shape[0])
        sheet[frame : frame + tile.height, left : left + tile.width] = each
        tiles.append(tile)
        left += tile.width + 2 * frame
    return sheet, tiles


def _search_fainter(scene: Scene) -> list[Face]:
    """What the first look left out as P-Net was not sure of it, and no more."""
    profile = replace(
        scene.profile,
        thresholds=THRESHOLDS,
        most=FAINT.most,
        ceiling=scene.profile.thresholds[0],
    )
    return scene.cascade.find(scene.whole_again, profile, scene.min_face)


def _correct_orientations(scene: Scene, faces: Sequence[Face]) -> list[Face]:
    return correct_orientations(faces, partial(_score_turned, scene), partial(_improve, scene))


def _score_turned(scene: Scene, faces: Sequence[Face]) -> Floats:
    """O-Net's logits, float32[N,4], of faces after quarter turns that R-Net takes for likely.

    -inf elsewhere, and for the orientation as found.
    """
    boxes = square(np.array([face.box for face in faces]))
    found = np.array([[face.turns] for face in faces])
    seen = _turn_crops(scene.whole.cut(boxes, REFINED_SIDE))
    rated = scene.cascade.rate(seen.reshape(-1, *seen.shape[2:]), scene.check).reshape(-1, 4)
    likely = rated > np.take_along_axis(rated, found, axis=1) - REFINED_RIVAL
    np.put_along_axis(likely, found, False, axis=1)
    logits = np.full(rated.shape, -np.inf, np.float32)
    for index in np.flatnonzero(likely.any(axis=1)).tolist():
        scene.check()
        crops = _turn_crops(scene.whole.cut(boxes[index : index + 1], CROP_SIDE))[0]
        logits[index, likely[index]] = scene.cascade.describe(crops[likely[index]])[:, 14]
    return logits


def _turn_crops(crops: Any) -> Any:
    """[N,4,side,side,3]: crops [N,side,side,3] after 0 to 3 quarter turns counterclockwise."""
    across = crops.transpose(0, 2, 1, 3)
    turned = [crops, across[:, ::-1], crops[:, ::-1, ::-1], across[:, :, ::-1]]
    return np.stack(turned, axis=1)


def _improve(scene: Scene, face: Face, turns: int) -> list[Face]:
    """Faces at the place of a face, looked for after quarter turns of what is around it."""
    left, top, right, bottom = _surroundings(face, scene.pixels.shape[1], scene.pixels.shape[0])
    part = np.ascontiguousarray(scene.pixels[top:bottom, left:right])
    seen = turn_pixels(part, turns)
    place = face.moved(-left, -top).turned(turns, right - left, bottom - top)
    boxes = square(np.array([place.box]))
    found = scene.cascade.improve(scene.view(seen), scene.profile, boxes)
    height, width = seen.shape[:2]
    return [each.turned(-turns, width, height).moved(left, top) for each in found]


def _surroundings(face: Face, width: int, height: int) -> tuple[int, int, int, int]:
    """A square three times as large as a face, as far as the picture goes, at least a pixel."""
    left, top, right, bottom = face.box
    reach = max(face.width, face.height)
    across = np.clip((left - reach, right + reach), 0, width - 1).astype(int).tolist()
    down = np.clip((top - reach, bottom + reach), 0, height - 1).astype(int).tolist()
    return across[0], down[0], across[1] + 1, down[1] + 1


def _merge(known: Sequence[Face], found: Sequence[Face]) -> list[Face]:
    """Both lists, each face once, with its best score (lowered if its orientation is in doubt)."""
    merged = list(known)
    for face in found:
        same = [other for other in merged if same_face(face, other)]
        merged = [other for other in merged if other not in same]
        merged.append(best_of([*same, face]))
    return merged
