"""The plain way of a user: the `mtcnn` package and FaceNet on TensorFlow or ONNX Runtime.

options: {"graph": path of a frozen .pb with input:0, embeddings:0 and perhaps phase_train:0}, or
{"onnx": path of the same network with one input [N,3,160,160]}
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import tensorflow as tf
from mtcnn import MTCNN

from bench.speed.worker import BATCH

SIZE, MARGIN = 160, 32


def _session(graph_file: str) -> Callable[[Any], Any]:
    tf1 = tf.compat.v1
    graph_def = tf1.GraphDef.FromString(Path(graph_file).read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf1.import_graph_def(graph_def, name="")
    session = tf1.Session(graph=graph)
    names = {node.name for node in graph_def.node}
    phase = {"phase_train:0": False} if "phase_train" in names else {}
    return lambda chips: session.run("embeddings:0", {"input:0": chips, **phase})


def _onnx_session(file: str) -> Callable[[Any], Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda chips: session.run(None, {name: chips.transpose(0, 3, 1, 2)})[0]


def _chip(image: Any, box: list[int]) -> Any:
    left, top, width, height = box
    half = MARGIN // 2
    bottom = min(top + height + half, image.shape[0])
    right = min(left + width + half, image.shape[1])
    crop = image[max(top - half, 0) : bottom, max(left - half, 0) : right]
    return (cv2.resize(crop, (SIZE, SIZE)).astype(np.float32) - 127.5) / 128


def _decode(data: bytes) -> Any:
    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return image[:, :, ::-1]


def load(pictures: Path, options: dict[str, str]) -> dict[str, Callable[[], Any]]:
    """Load both networks and return {scenario: callable}."""
    embed = _session(options["graph"]) if "graph" in options else _onnx_session(options["onnx"])
    detector = MTCNN()
    files = json.loads((pictures / "scenarios.json").read_text())
    data = {name: (pictures / name).read_bytes() for names in files.values() for name in names}
    body = json.dumps({"images": [base64.b64encode(data[n]).decode() for n in files["compare"]]})

    def faces(name_or_data: bytes) -> tuple[Any, list[Any]]:
        image = _decode(name_or_data)
        return image, detector.detect_faces(image)

    def compare() -> str:
        chips = []
        for text in json.loads(body)["images"]:
            image, found = faces(base64.b64decode(text))
            chips.append(_chip(image, max(found, key=lambda f: f["box"][2] * f["box"][3])["box"]))
        first, second = embed(np.stack(chips))
        return json.dumps({"distance": float(np.linalg.norm(first - second))})

    def group() -> int:
        image, found = faces(data[files["group"][0]])
        return len(embed(np.stack([_chip(image, face["box"]) for face in found])))

    batch = np.random.default_rng(3).uniform(-1, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
    return {
        "compare": compare,
        "detect": lambda: len(faces(data[files["detect"][0]])[1]),
        "group": group,
        "chips": lambda: len(embed(batch)),
    }
