"""Find faces: one cascade in two profiles.

`exact` repeats the settings and the arithmetic of the reference, davidsandberg's detect_face.
`fast` runs the same nets on fewer candidates; docs/decisions/detector.md says what that costs.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, Self

import numpy as np

from align import known_face
from align.cascade import Cascade, Profile, read_faces
from align.mipmaps import Mipmaps
from align.opencv import cv2
from align.scene import Scene
from align.second_look import CROP_SIDE, SMALLEST_FACE, look_again
from align.types import Check, Face, Header, Picture, Pixels, Timed, no_check, not_timed

DetectorProfile = Literal["fast", "exact"]
PROFILES: Mapping[DetectorProfile, Profile] = {
    "exact": Profile(
        name="exact",
        min_face=20,
        floor=1,
        thresholds=(0.6, 0.7, 0.7),
        refined_overlap=0.7,
        most=(20_000, 10_000, 2_000),
    ),
    "fast": Profile(
        name="fast",
        min_face=0.06,
        floor=30,
        thresholds=(0.85, 0.6, 0.7),
        refined_overlap=0.4,
        most=(4_000, 1_500, 1_000),
    ),
}
# A smallest face of this size keeps enough pixels for a chip when a JPEG is decoded smaller.
CHIP_PIXELS = 80


class Detector:
    """Finds faces and their landmarks. Keeps interpreters: one thread per instance."""

    def __init__(self, profile: Profile, threads: int) -> None:
        self._profile = profile
        self._cascade = Cascade(threads)

    @classmethod
    def load(
        cls, profile: DetectorProfile = "fast", *, min_face: float | None = None, threads: int = 1
    ) -> Self:
        """A detector by profile name.

        Args:
            profile: "fast" or "exact".
            min_face: smallest face to find, in pixels from 1 on, below 1 as a share of the
                picture's short side; None keeps the profile's own.
            threads: CPU threads for the nets and for OpenCV.

        Raises:
            ValueError: an unknown profile, or a `min_face` that is not positive.
            WeightsDamaged: a weight file is missing or not the released one.
        """
        if profile not in PROFILES:
            raise ValueError(
                f"unknown detector profile {profile!r}: choose from {sorted(PROFILES)}"
            )
        chosen = PROFILES[profile]
        if min_face is not None:
            if not min_face > 0:
                raise ValueError("min_face must be positive")
            chosen = replace(chosen, min_face=min_face, floor=SMALLEST_FACE)
        cv2.setNumThreads(threads)
        return cls(chosen, threads)

    def warm_up(self) -> None:
        """Runs detection on a picture with a known face, so that the first request is not slower.

        Raises WeightsDamaged if that face is not found: other faces would be missed too.
        """
        pixels, smallest = known_face.read(), known_face.MIN_FACE
        scene = Scene(Mipmaps(pixels), self._cascade, self._profile, smallest, no_check)
        known_face.require_found(scene.find())

    def detect(
        self,
        picture: Picture,
        check: Check = no_check,
        *,
        retry: bool = True,
        timed: Timed = not_timed,
        has_time: Callable[[], bool] = lambda: True,
    ) -> list[Face]:
        """All faces of a picture, highest score first, in full-size upright pixels.

        Args:
            picture: where to look.
            check: called regularly (with `exact`, a crowd in 40 megapixels can take half a minute);
                an exception from it ends the work.
            retry: check which way up each face stands, and look again where no face is sure; a
                picture without a face then takes two to four times as long, a small one more.
                False: one look.
            timed: opened around each step after the first look, by its name.
            has_time: called before each further look, which is skipped if it returns False.
        """
        smallest = self._min_face(picture.width, picture.height) / picture.reduction
        min_face = max(smallest, SMALLEST_FACE)
        scene = Scene(Mipmaps(picture.pixels), self._cascade, self._profile, min_face, check)
        faces = scene.find()
        if retry:
            faces = look_again(scene, faces, timed, has_time)
        return [face.enlarged(picture.reduction) for face in faces]

    def landmarks(self, crop: Pixels) -> Face | None:
        """Landmarks of a picture that is a face crop, regressed by O-Net from the whole of it.

        Args:
            crop: uint8[h,w,3] RGB.

        Returns:
            A face whose box is O-Net's, or None where its score is below the profile's threshold.
        """
        height, width = crop.shape[:2]
        shrunk = cv2.resize(crop, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA)
        output = self._cascade.describe(np.asarray(shrunk, np.float32)[None])
        face = read_faces(np.array([[1.0, 1.0, width, height]]), output)[0]
        return face if face.score > self._profile.thresholds[2] else None

    def reduction_for(self, header: Header) -> int:
        """The largest JPEG reduction (1, 2, 4, 8) that costs this profile nothing.

        The fast profile looks for faces from a share of the picture on. While the smallest of
        them keeps CHIP_PIXELS pixels, chips for recognition do not suffer either.
        """
        if self._profile.name == "exact" or header.format != "jpeg":
            return 1
        smallest = self._min_face(header.width, header.height)
        return next((step for step in (8, 4, 2) if smallest / step >= CHIP_PIXELS), 1)

    def _min_face(self, width: int, height: int) -> float:
        wanted = self._profile.min_face
        pixels = wanted * min(width, height) if wanted < 1 else wanted
        return max(pixels, self._profile.floor)
