"""One picture: its bytes in, the faces that count and their chips out."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import align
from align import FaceRule
from align.errors import AlignError
from handler.errors import ApiError
from handler.faces.quality import require_quality
from handler.faces.requests import Options
from handler.faces.types import Alignment, FoundFace, PictureFaces
from handler.invocation import Invocation
from handler.settings import Limits

# No decoder stops half way, so the time has to be there before it starts: what the slowest legal
# picture takes a whole processor, rounded up (`python -m bench.decode` measures both).
DECODE_MS_PER_MEGAPIXEL = 125
LOSSLESS_WEBP_MS = 1200  # for its tables of codes, whatever its size
# HEVC takes time for its pixels, and for its bits as well.
HEIC_MS_PER_MEGAPIXEL = 200
HEIC_MS_PER_MEGABYTE = 100


def slowest_decode_ms(header: align.Header) -> float:
    """The most milliseconds of a whole processor that such a picture takes to decode."""
    if header.format == "heic":
        pixels = max(header.width * header.height, header.coded_pixels)
        bits = header.coded_bytes / 1e6 * HEIC_MS_PER_MEGABYTE
        return pixels / 1e6 * HEIC_MS_PER_MEGAPIXEL + bits
    tables = LOSSLESS_WEBP_MS if header.lossless else 0
    return tables + header.width * header.height / 1e6 * DECODE_MS_PER_MEGAPIXEL


class Detector(Protocol):
    """What the handler needs of `align.Detector`; tests bring their own."""

    def warm_up(self) -> None: ...

    def detect(
        self,
        picture: align.Picture,
        check: Callable[[], None],
        *,
        retry: bool,
        timed: Callable[[str], AbstractContextManager[None]],
        has_time: Callable[[], bool],
    ) -> list[align.Face]: ...

    def landmarks(self, crop: NDArray[np.uint8]) -> align.Face | None: ...

    def reduction_for(self, header: align.Header) -> int: ...


@dataclass(frozen=True)
class FaceFinder:
    """Decodes, detects, selects, judges and aligns, within the limits."""

    detector: Detector
    limits: Limits
    heic: bool = False

    def find(
        self,
        data: bytes,
        options: Options,
        rule: FaceRule,
        alignment: Alignment | None,
        invocation: Invocation,
    ) -> PictureFaces:
        """The faces that `rule` selects; with `alignment`, each with its chip.

        Raises UnsupportedFormat, ImageTooLarge, InvalidImage, LowQuality and Timeout, as ApiError.
        No face is an empty tuple.
        """
        invocation.require_time(self.limits.time_reserve_ms)
        try:
            picture = self._decode(data, options.aligned, invocation)
            with invocation.timed("detect"):
                faces = self._faces(picture, options, rule, invocation)
                faces = require_quality(faces, options.min_quality, rule)
        except AlignError as failure:
            raise ApiError.from_library(failure) from failure
        if alignment is not None:
            with invocation.timed("align"):
                whole = options.aligned
                faces = [_add_chip(picture, face, alignment, whole) for face in faces]
        return PictureFaces(picture.width, picture.height, tuple(faces))

    def _decode(self, data: bytes, aligned: bool, invocation: Invocation) -> align.Picture:
        with invocation.timed("decode"):
            if not self.heic and align.is_heic(data):
                raise heic_is_off()
            header = align.read_header(data)
            align.check_limits(header, self.limits.pixels)  # before it is asked for time
            decode_ms = round(slowest_decode_ms(header) * self.limits.slowness)
            invocation.require_time(self.limits.time_reserve_ms + decode_ms)
            reduction = 1 if aligned else self.detector.reduction_for(header)
            limit = self.limits.pixels
            return align.decode(data, max_pixels=limit, reduction=reduction, header=header)

    def _faces(
        self, picture: align.Picture, options: Options, rule: FaceRule, invocation: Invocation
    ) -> list[FoundFace]:
        if options.aligned:
            return [self._take_whole(picture)]
        found = [face for face in self._detect(picture, options, invocation) if _is_finite(face)]
        chosen = align.select(found, rule, picture.width, picture.height)[: self.limits.faces]
        return [_measure(picture, found[index]) for index in chosen]

    def _detect(
        self, picture: align.Picture, options: Options, invocation: Invocation
    ) -> list[align.Face]:
        reserve = self.limits.time_reserve_ms
        started = time.perf_counter()

        def has_time() -> bool:
            """A further look costs no more than those before it: there is time for twice that."""
            spent_ms = (time.perf_counter() - started) * 1000
            return invocation.remaining_ms() > reserve + 2 * spent_ms

        return self.detector.detect(
            picture,
            partial(invocation.require_time, reserve),
            retry=options.retry,
            timed=invocation.timed,
            has_time=has_time,
        )

    def _take_whole(self, picture: align.Picture) -> FoundFace:
        """The picture as one face, with its landmarks where the network is sure of them."""
        box = (1.0, 1.0, picture.width + 1.0, picture.height + 1.0)
        face = self.detector.landmarks(picture.pixels)
        if face is None or not _is_finite(face):
            return FoundFace(box, None, 0.0)
        return _measure(picture, align.Face(box, face.landmarks, face.score))


def heic_is_off() -> ApiError:
    """The refusal of a HEIC picture where FACENET_HEIC is off."""
    return ApiError(
        "UnsupportedFormat",
        "HEIC pictures are turned off here; send a JPEG, PNG or WebP, or set FACENET_HEIC=on in an "
        "image built with HEIC=on.",
        details={"setting": "FACENET_HEIC"},
    )


def _measure(picture: align.Picture, face: align.Face) -> FoundFace:
    quality = align.measure_quality(picture, face)
    return FoundFace(face.box, face.landmarks, float(face.score), quality)


def _add_chip(
    picture: align.Picture, found: FoundFace, alignment: Alignment, whole: bool
) -> FoundFace:
    """The face with its chip. A crop that came aligned is cut again only onto landmarks."""
    if found.landmarks is None or (whole and isinstance(alignment, align.BoxAlignment)):
        chip = align.fit(picture.pixels, alignment.size)
    else:
        face = align.Face(found.box, found.landmarks, found.score)
        chip = align.align(picture, face, alignment)
    return replace(found, chip=chip)


def _is_finite(face: align.Face) -> bool:
    return all(map(math.isfinite, (*face.box, face.score, *face.landmarks.ravel().tolist())))
