"""The second look: repeated detection where the first pass found no face with certainty.

Each step is taken only if those before it found no such face. A picture without a face costs two to
four first looks then, one of less than 400 pixels a side more (`python -m bench.recall` measures
it): a step that looks for larger faces only is cheaper by the square of their size, no step looks
at more pixels than it needs, and all of them look as the fast profile does. At the end, a picture
with a turned face is looked at as it would be if it had come upright.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from align.boxes import square
from align.cascade import round_landmarks
from align.mipmaps import Mipmaps, halvings
from align.orientation import REFINED_RIVAL, best_of, correct_orientations, same_face
from align.scene import Scene
from align.turning import turn_pixels, turn_size
from align.types import Face, Floats, Pixels, Timed, not_timed
from align.views import FastView

TRUSTED = 0.97  # below: 1 % of the faces of LFW, and most of what is no face
# The same for what further looks found, and for a face that stands otherwise: of pictures that lost
# their orientation one in two hundred shows something up to here that is no face.
TRUSTED_AGAIN = 0.995
ACCEPTED = 0.95  # the score that a face needs where a first look would not find it
GREY = 128
REFINED_SIDE, CROP_SIDE = 24, 48  # of what R-Net and O-Net see
MOST_EMPTY = 2.0  # area of a sheet, in those of the pictures on it
# P-Net's cell: it cannot see smaller faces unless the picture is enlarged, which gains nothing.
SMALLEST_FACE = 12.0
# A face that may stand otherwise is looked for again from this share of its size on, in a halving
# that has so many pixels of it or more. In a crowd of more faces only where it was found: P-Net
# takes ten times as long as the rest.
SMALLEST_SHARE = 0.5
ENOUGH_PIXELS = 96
CROWD = 16


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
    accepted: float = ACCEPTED


# `coarser` counts where the light had to be levelled; else P-Net's cells are known already.
FAINT = Look(coarser=1.4, most=(1_000, 8, 3))
STEPS: tuple[tuple[str, Look], ...] = (
    ("detect_border", Look(border=0.25, coarser=2.5, most=(300, 10, 3), accepted=0.8)),
    ("detect_faint", FAINT),
    ("detect_turned", Look(turns=(1, 2, 3), border=0.1, coarser=2.35, most=(600, 16, 6))),
)
# Those of a picture that is known to stand upright. (One that does and has no sure face takes the
# last one as well, which may lower a score.)
STEPS_UPRIGHT = STEPS[:-1]
# Thresholds of P-Net and R-Net, and of O-Net unless a look sets a higher one.
THRESHOLDS = (0.4, 0.5, 0.7)


def look_again(
    scene: Scene, faces: Sequence[Face], timed: Timed, has_time: Callable[[], bool]
) -> list[Face]:
    """The faces of a first look and, where none is sure, those of further looks; best first.

    Where one stands otherwise, the picture is looked at that way up. `timed` is opened around the
    check of orientations and around each step, which is taken only where `has_time` says so: a
    picture without a face is then one that has none.
    """
    found = _look_further(scene, faces, STEPS, timed, has_time)
    for turns in _other_ways_up(found):
        if any(face.turns == turns for face in found) and has_time():
            with timed("detect_upright"):
                found = _see_upright(scene, found, turns, has_time)
    return sorted(found, key=attrgetter("score"), reverse=True)


def _look_further(
    scene: Scene,
    faces: Sequence[Face],
    steps: Sequence[tuple[str, Look]],
    timed: Timed,
    has_time: Callable[[], bool],
) -> list[Face]:
    with timed("detect_orientation"):
        found = _correct_orientations(scene, faces)
    lit: Scene | None = None
    for name, look in steps:
        if any(_is_sure(face, again=lit is not None) for face in found) or not has_time():
            break
        with timed(name):
            lit = lit or scene.in_good_light()
            fainter = look is FAINT and lit is scene
            more = _search_fainter(scene) if fainter else _search(lit, look)
            more = [face for face in more if face.score >= look.accepted]
            found = _merge(found, _correct_orientations(lit, more))
    return found


def _is_sure(face: Face, again: bool) -> bool:
    """Whether a face, found by further looks or not, makes the next look needless."""
    return face.score >= (TRUSTED_AGAIN if again or face.turns else TRUSTED)


def _other_ways_up(faces: Sequence[Face]) -> list[int]:
    """Quarter turns, 1 to 3, after which faces stand upright; the surest face's first."""
    ordered = sorted(faces, key=attrgetter("score"), reverse=True)
    return list(dict.fromkeys(face.turns for face in ordered if face.turns))


def _see_upright(
    scene: Scene, known: Sequence[Face], turns: int, has_time: Callable[[], bool]
) -> list[Face]:
    """The faces known, and those seen after so many turns, each once.

    If no sure face stands upright in the picture, but one does after the turns, then the picture
    lost its orientation. It gives what it would give upright, and of the rest only likely faces.
    """
    view = scene.turned(turns)
    seen = _look_further(view, view.find(), STEPS_UPRIGHT, not_timed, has_time)
    lost = not _has_sure(known, 0) and _has_sure(seen, 0)
    seen = [face.turned(-turns, *view.size) for face in seen if lost or not face.turns]
    rest = [face for face in known if face.turns != turns]
    if lost:
        rest = [face for face in rest if face.score >= ACCEPTED]
    else:
        rest += [face for face in known if face.turns == turns and not _is_among(face, seen)]
    seen = [face for face in seen if not _is_among(face, rest, face.score)]
    return [face for face in rest if not _is_among(face, seen)] + seen


def _has_sure(faces: Sequence[Face], turns: int) -> bool:
    return any(face.turns == turns and face.score >= TRUSTED for face in faces)


def _is_among(face: Face, faces: Sequence[Face], above: float = 0.0) -> bool:
    """Whether one of the faces, with a score above that, is the same."""
    return any(other.score > above and same_face(face, other) for other in faces)


def _search(scene: Scene, look: Look) -> list[Face]:
    """What one look finds, in the pixels of the scene."""
    shorter = min(scene.size)
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
            round_landmarks(tile.bring_back(face).enlarged(1 / scale))
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
    improve = partial(_improve, scene, crowded=len(faces) > CROWD)
    return correct_orientations(faces, partial(_score_turned, scene), improve)


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


def _improve(scene: Scene, face: Face, turns: int, crowded: bool) -> list[Face]:
    """Faces at the place of a face after quarter turns of what is around it.

    They are looked for as in any picture, and by R-Net and O-Net where the face is. The first way
    centres them better; the second one finds those that P-Net misses, and costs less.
    """
    level = halvings(max(face.width, face.height) / ENOUGH_PIXELS)
    pixels, scale = scene.mipmaps.level(level), 0.5**level
    smaller = face.enlarged(scale)
    left, top, right, bottom = _surroundings(smaller, pixels.shape[1], pixels.shape[0])
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    view = scene.view(Mipmaps(turn_pixels(part, turns)))
    size = right - left, bottom - top
    place = smaller.moved(-left, -top).turned(turns, *size)
    found = scene.cascade.improve(view, scene.profile, square(np.array([place.box])))
    if not crowded:
        smallest = SMALLEST_SHARE * max(place.width, place.height)
        smallest = max(smallest, scene.min_face * scale, SMALLEST_FACE)
        found = [*scene.cascade.find(view, scene.profile, smallest), *found]
    turned = [each.turned(-turns, *turn_size(*size, turns)) for each in found]
    return [round_landmarks(each.moved(left, top).enlarged(1 / scale)) for each in turned]


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
