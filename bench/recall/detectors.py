"""The detectors of the table behind one call: pixels in, faces out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

import align
from bench.recall.conditions import Pixels

PEERS = "needs the packages of requirements/peers.txt: `make bench BENCH=recall` installs them"


@dataclass(frozen=True)
class Found:
    """A face: its box in pixels, its landmarks float32[5,2] where the detector has any."""

    box: tuple[float, float, float, float]
    landmarks: Any = None


Detect = Callable[[Pixels], list[Found]]


def ours(profile: align.DetectorProfile, retry: bool, border: float = 0.0) -> Detect:
    """This project's, with or without its second look, on a grey border where one is wanted."""
    detector = align.Detector.load(profile)

    def detect(pixels: Pixels) -> list[Found]:
        frame = round(max(pixels.shape[:2]) * border)
        if frame:
            sides = (frame, frame, frame, frame)
            pixels = np.asarray(
                cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT, value=(128, 128, 128)),
                np.uint8,
            )
        faces = detector.detect(align.Picture.of(pixels), retry=retry)
        moved = [face.moved(-frame, -frame) for face in faces]
        return [Found(face.box, face.landmarks) for face in moved]

    return detect


def mtcnn() -> Detect:
    """The PyPI package `mtcnn`, the cascade on TensorFlow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mtcnn import MTCNN

        detector = MTCNN()

    def detect(pixels: Pixels) -> list[Found]:
        try:
            faces = detector.detect_faces(pixels) or []
        except ValueError:  # what it raises where one of its stages has nothing left
            return []
        found = []
        for face in faces:
            left, top, width, height = face["box"]
            points = [face["keypoints"][name] for name in MTCNN_POINTS]
            found.append(Found((left, top, left + width, top + height), np.array(points)))
        return found

    return detect


MTCNN_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def dlib_hog() -> Detect:
    """dlib's detector of histograms of gradients, the picture doubled once as its users do."""
    import dlib

    detector = dlib.get_frontal_face_detector()

    def detect(pixels: Pixels) -> list[Found]:
        boxes = detector(pixels, 1)
        return [Found((box.left(), box.top(), box.right(), box.bottom())) for box in boxes]

    return detect


def haar() -> Detect:
    """OpenCV's cascade of Haar features, with the settings of its tutorial."""
    opencv: Any = cv2  # its type stubs lack these; the bench has an OpenCV of its own
    cascade = opencv.CascadeClassifier(
        opencv.data.haarcascades + "haarcascade_frontalface_default.xml"
    )

    def detect(pixels: Pixels) -> list[Found]:
        boxes = cascade.detectMultiScale(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 1.1, 5)
        return [Found((x, y, x + width, y + height)) for x, y, width, height in boxes]

    return detect


DETECTORS: dict[str, Callable[[], Detect]] = {
    "fast": lambda: ours("fast", True),
    "fast, no second look": lambda: ours("fast", False),
    "exact": lambda: ours("exact", True),
    "exact, no second look": lambda: ours("exact", False),
    "exact, grey border, no second look": lambda: ours("exact", False, 0.2),
    "mtcnn": mtcnn,
    "dlib HOG": dlib_hog,
    "OpenCV Haar": haar,
}


def load(name: str) -> Detect | str:
    """A detector by name, or one line that says what it needs."""
    try:
        return DETECTORS[name]()
    except (ImportError, AttributeError) as failure:
        return f"{name}: {PEERS} ({failure})"
