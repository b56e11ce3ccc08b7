"""Model folders to load: small, real, and made from scratch."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE, DIMENSION = 8, 5
TOY = Path(__file__).with_name("toy")

MakeFolder = Callable[..., Path]


def manifest_content(**changes: Any) -> dict[str, Any]:
    """A valid manifest of a model with one int8 file, with top-level fields changed."""
    content = {
        "format": 2,
        "id": "toy",
        "files": {"int8": {"name": "int8.tflite", "sha256": "0" * 64, "bytes": 1}},
        "default_precision": "int8",
        "input": {"size": SIZE, "colour_order": "RGB", "standardization": "fixed"},
        "alignment": {"kind": "similarity", "size": SIZE},
        "embedding": {"dimension": DIMENSION, "metric": "l2"},
        "thresholds": {
            "default_far": 0.01,
            "table": [
                {"far": 0.1, "threshold": 1.3, "pairs": 10_000},
                {"far": 0.01, "threshold": 1.1, "pairs": 1000},
                {"far": 0.001, "threshold": 0.95, "pairs": 100},
            ],
        },
        "calibration": {"slope": 10.0, "intercept": 11.0, "protocol": "made up"},
        "licence": "none",
    }
    return content | changes


def write_toy(folder: Path, *, frozen_graph: bool = False, **changes: Any) -> Path:
    """A model folder with the toy network, which make_toy.py makes, as .tflite and frozen graph."""
    names = {"int8": "int8.tflite"} | ({"tensorflow": "tensorflow.pb"} if frozen_graph else {})
    files = {}
    for kind, name in names.items():
        content = (TOY / name).read_bytes()
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files[kind] = {"name": name, "sha256": digest, "bytes": len(content)}
    text = json.dumps(manifest_content(**({"files": files} | changes)))
    (folder / "manifest.json").write_text(text)
    return folder


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes a model folder with the toy network; keyword arguments change its manifest."""
    return partial(write_toy, tmp_path)


@pytest.fixture
def chips() -> np.ndarray:
    """Six chips for the toy network."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)
