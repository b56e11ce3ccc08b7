"""A picture and how it is looked at: what the first look and further ones have in common."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from align.cascade import Cascade, Profile
from align.light import levelling_curve
from align.mipmaps import Mipmaps
from align.opencv import cv2
from align.types import Check, Face, Pixels
from align.views import ExactView, FastView, View

# The light is judged by a halving of at least so many pixels a side.
JUDGED_SIDE = 256


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, and how it is looked at: `min_face` is in its pixels."""

    mipmaps: Mipmaps
    cascade: Cascade
    profile: Profile
    min_face: float
    check: Check
    _kept: dict[float, Pixels] = field(default_factory=dict, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.mipmaps.width, self.mipmaps.height

    @cached_property
    def whole(self) -> View:
        """The view of the whole picture; it keeps what P-Net said of it."""
        return self.view(self.mipmaps)

    @cached_property
    def whole_again(self) -> View:
        """The view of the whole picture that further looks take: the fast one, as it costs less."""
        exact = self.profile.name == "exact"
        return FastView(self.mipmaps, self.check) if exact else self.whole

    def find(self) -> list[Face]:
        """The faces of a plain look at the whole picture."""
        return self.cascade.find(self.whole, self.profile, self.min_face)

    def view(self, mipmaps: Mipmaps) -> View:
        """What a plain look sees of a picture."""
        if self.profile.name == "exact":
            return ExactView(mipmaps.level(0), self.check)
        return FastView(mipmaps, self.check)

    def shrunk(self, scale: float) -> Pixels:
        """The picture at a scale of at most 1, uint8[h,w,3] RGB; kept."""
        if scale == 1:
            return self.mipmaps.level(0)
        if scale not in self._kept:
            size = [max(round(side * scale), 1) for side in self.size]
            near = cv2.resize(self.mipmaps.at_least(scale), size)
            self._kept[scale] = np.asarray(near, np.uint8)
        return self._kept[scale]

    def turned(self, turns: int) -> "Scene":
        """The picture after quarter turns, counterclockwise."""
        return replace(self, mipmaps=self.mipmaps.turned(turns))

    def in_good_light(self) -> "Scene":
        """The same picture with its light levelled; this one where that changes little."""
        curve = levelling_curve(self.mipmaps.at_least(JUDGED_SIDE / min(self.size)))
        return self if curve is None else replace(self, mipmaps=self.mipmaps.mapped(curve))
