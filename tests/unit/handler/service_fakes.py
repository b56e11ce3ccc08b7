"""A service without networks: faces are told to the detector, colours are who people are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import msgspec
import numpy as np

import align
from handler.faces.service import PersonVectors, Service
from handler.settings import Limits, Settings
from model_layer.contract import contract
from model_layer.manifest import Manifest

RED, DARK_RED, GREEN, BLUE, BLACK = (
    (220, 30, 30),
    (190, 30, 30),
    (30, 220, 30),
    (30, 30, 220),
    (0, 0, 0),
)
MANIFEST: dict[str, Any] = {
    "format": 2,
    "id": "tiny",
    "files": {"float32": {"name": "float32.tflite", "sha256": "ab" * 32, "bytes": 1}},
    "default_precision": "float32",
    "input": {"size": 16, "standardization": "fixed"},
    "alignment": {"kind": "box", "size": 16, "margin": 4},
    "embedding": {"dimension": 3},
    "thresholds": {
        "default_far": 0.01,
        "table": [
            {"far": 0.1, "threshold": 0.9, "pairs": 1000},
            {"far": 0.01, "threshold": 0.5, "pairs": 100},
            {"far": 0.001, "threshold": 0.3, "pairs": 10},
        ],
        "strangers": 10_000,
        "protocol": "made up",
    },
    "calibration": {"slope": 10.0, "intercept": 5.0, "protocol": "none"},
    "licence": "Apache-2.0",
}

CONTRACT = contract(msgspec.convert(MANIFEST, Manifest), "ab" * 32, "float32")


def picture(
    colour: tuple[int, int, int] = RED, width: int = 64, height: int = 48, kind: str = ".png"
) -> bytes:
    """An encoded picture of one colour. A black one shows nobody."""
    pixels = np.full((height, width, 3), colour[::-1], np.uint8)
    return cv2.imencode(kind, pixels)[1].tobytes()


def face_at(left: float, top: float, right: float, bottom: float, score: float = 0.9) -> align.Face:
    width, height = right - left, bottom - top
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
    points = (shares * (width, height) + (left, top)).astype(np.float32)
    return align.Face((left, top, right, bottom), points, score)


def one_face(seen: align.Picture) -> list[align.Face]:
    """A face in the middle, unless the picture is black."""
    if not seen.pixels.any():
        return []
    width, height = seen.width, seen.height
    return [face_at(width * 0.25, height * 0.25, width * 0.75, height * 0.75)]


@dataclass
class FakeDetector:
    """Finds the faces that `faces` says, and landmarks in crops where `sure`."""

    faces: Callable[[align.Picture], list[align.Face]] = one_face
    sure: bool = True
    crops: int = 0
    warmed: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    def warm_up(self) -> None:
        self.warmed += 1

    def detect(
        self, seen: align.Picture, check: Callable[[], None], **asked: Any
    ) -> list[align.Face]:
        check()
        self.asked.append({name: asked[name] for name in ("retry", "timed", "has_time")})
        return self.faces(seen)

    def landmarks(self, crop: np.ndarray) -> align.Face | None:
        self.crops += 1
        height, width = crop.shape[:2]
        return face_at(0, 0, width, height, 0.8) if self.sure else None

    def reduction_for(self, header: align.Header) -> int:
        return 1


@dataclass
class FakeModel:
    """The embedding is the direction of the chip's mean colour; keeps what it was asked."""

    manifest: Manifest
    calls: list[dict[str, Any]] = field(default_factory=list)
    sha256: str = "ab" * 32
    fails: Exception | None = None

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def dimension(self) -> int:
        return self.manifest.embedding.dimension

    def contract(self, **way: Any) -> str:
        return contract(self.manifest, self.sha256, "float32", **way)

    def embed_with_norms(
        self, chips: np.ndarray, *, flip: bool = False, standardization: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(
            {"count": len(chips), "flip": flip, "standardization": standardization, "chips": chips}
        )
        if self.fails:
            raise self.fails
        colours = chips.reshape(len(chips), -1, 3).mean(axis=1) + 1
        norms = np.linalg.norm(colours, axis=1)
        return (colours / norms[:, None]).astype(np.float32), norms.astype(np.float32)


def make_manifest(**changes: Any) -> Manifest:
    return msgspec.convert({**MANIFEST, **changes}, Manifest)


SIMILARITY = {"alignment": {"kind": "similarity", "size": 16}}


def make_service(
    detector: FakeDetector | None = None,
    manifest: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    persons: PersonVectors | None = None,
    **settings: Any,
) -> Service:
    return Service(
        Settings(limits=Limits(**(limits or {})), **settings),
        detector or FakeDetector(),
        FakeModel(make_manifest(**(manifest or {}))),
        persons,
    )


class FakeContext:
    """Lambda's context with a request id and the time left, in milliseconds."""

    def __init__(self, remaining_ms: int = 30_000) -> None:
        self.aws_request_id = "11111111-2222-3333-4444-555555555555"
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_ms
