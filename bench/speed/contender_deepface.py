"""DeepFace's `verify` and `represent` with FaceNet512 and its MTCNN, on TensorFlow.

Its weights for the embedding come from a download that is not made here: the network runs on random
weights, which cost the same.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["DEEPFACE_BACKEND_ENGINE"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from deepface import DeepFace
from deepface.models.facial_recognition.tf import Facenet

from bench.speed.worker import BATCH

SIZE = 160
CHOSEN = {"model_name": "Facenet512", "detector_backend": "mtcnn"}


def load(pictures: Path, _options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Build both networks and return {scenario: callable}."""
    Facenet.load_facenet512d_model = lambda: Facenet.InceptionResNetV1(dimension=512)
    network = DeepFace.build_model(CHOSEN["model_name"])
    files = json.loads((pictures / "scenarios.json").read_text())
    data = {name: (pictures / name).read_bytes() for names in files.values() for name in names}

    def decoded(name: str) -> Any:
        return cv2.imdecode(np.frombuffer(data[name], np.uint8), cv2.IMREAD_COLOR)

    def compare() -> str:
        answer = DeepFace.verify(*(decoded(name) for name in files["compare"]), **CHOSEN)
        return json.dumps({"distance": float(answer["distance"])})

    def detect() -> int:
        picture = decoded(files["detect"][0])
        return len(DeepFace.extract_faces(picture, detector_backend="mtcnn", align=False))

    batch = np.random.default_rng(3).uniform(-1, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
    return {
        "compare": compare,
        "detect": detect,
        "group": lambda: len(DeepFace.represent(decoded(files["group"][0]), **CHOSEN)),
        "chips": lambda: len(network.forward(batch)),
    }
