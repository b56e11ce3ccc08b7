"""LiteRT files and the manifest of a trained student."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_layer.distance import normalise
from model_layer.engine_litert import LiteRTEngine
from model_layer.manifest import (
    MANIFEST_NAME,
    Manifest,
    Precision,
    SimilarityAlignment,
    read_manifest,
)
from model_layer.standardize import standardize
from tools.import_model.check_parity import PICTURES, read_chips
from tools.train.augment import SIZE
from tools.train.data import Pixels
from tools.train.network import HEAD, Topology, convolution, dense, features
from tools.train.weights import Array, Layer, Weights

DIMENSION = 256
PARITY = "parity.npz"
PRECISIONS: tuple[Precision, ...] = ("int8", "float16", "float32")


def embedding_function(weights: Weights) -> Any:
    """The student as a TensorFlow function: float32[N,112,112,3] -> float32[N,D], not normalised.

    The input is standardized already: (x - 127.5) / 128.
    """
    topology = Topology.of(weights)

    def embed(x: Any) -> Any:
        pooled = features(convolution(weights.__getitem__), x, topology, freeze_stem=False)
        return dense(weights.__getitem__, HEAD, pooled)

    signature = [tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)]
    return tf.function(embed, input_signature=signature)


def convert(weights: Weights, precision: Precision) -> bytes:
    """A .tflite file; int8 is dynamic range: int8 weights per channel, float32 in and out."""
    function = embedding_function(weights).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def write_files(weights: Weights, folder: Path) -> None:
    """Write `<precision>.tflite` for each of PRECISIONS into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for precision in PRECISIONS:
        (folder / f"{precision}.tflite").write_bytes(convert(weights, precision))


def file_entries(folder: Path) -> dict[Precision, dict[str, Any]]:
    """The manifest's `files`: every weight file of the folder with digest and size."""
    return {
        precision: {
            "name": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for precision in PRECISIONS
        if (path := folder / f"{precision}.tflite").exists()
    }


def write_manifest(folder: Path, name: str, dimension: int, facts: Mapping[str, Any]) -> Manifest:
    """Write and validate `folder`/manifest.json.

    facts: `thresholds`, `calibration`, `licence`, `provenance` and `accuracy`, as the manifest
    has them. Raises ModelUnavailable when the result is not a valid manifest.
    """
    content = {
        "format": 1,
        "id": name,
        "files": file_entries(folder),
        "default_precision": "int8",
        "input": {"size": SIZE, "colour_order": "RGB", "standardization": "fixed"},
        "alignment": {"kind": "similarity", "size": SIZE},
        "embedding": {"dimension": dimension, "metric": "l2"},
        **facts,
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(content, indent=2) + "\n")
    return read_manifest(folder)


def fold_heads(heads: Sequence[Layer], pooled: Array) -> Layer:
    """One linear head of DIMENSION outputs out of one head per teacher.

    The heads' outputs, each divided by its mean length, stand side by side and are turned onto
    their principal axes, so that distances are kept as well as DIMENSION axes can. pooled:
    float32[N,C], features of training chips, which give the lengths and the axes.
    """
    outputs = [pooled @ head.kernel + head.bias for head in heads]
    lengths = [np.linalg.norm(output, axis=1).mean() for output in outputs]
    joint = np.concatenate([out / length for out, length in zip(outputs, lengths, strict=True)], 1)
    # Not centred: embeddings are compared by their angle from the origin.
    _, axes = np.linalg.eigh(joint.T @ joint)
    axes = axes[:, ::-1][:, :DIMENSION]
    scaled = list(zip(heads, lengths, strict=True))
    kernel = np.concatenate([head.kernel / length for head, length in scaled], 1)
    bias = np.concatenate([head.bias / length for head, length in scaled])
    return Layer((kernel @ axes).astype(np.float32), (bias @ axes).astype(np.float32))


def write_parity(folder: Path) -> None:
    """Save chips and the float32 file's unit embeddings of them as `folder`/parity.npz.

    The chips are those of the public-domain pictures in events/pictures. The float32 file is too
    large to ship; its answers are not.
    """
    chips = read_chips(PICTURES, SimilarityAlignment(size=SIZE)).pixels
    vectors = normalise(run_file(folder / "float32.tflite", chips))
    np.savez_compressed(folder / PARITY, chips=chips, float32=vectors)


def run_file(path: Path, chips: Pixels) -> Array:
    """Embed uint8[N,112,112,3] chips with a LiteRT file: float32[N,D], not normalised."""
    return LiteRTEngine(path).embed(standardize(chips, "fixed"))
