"""LiteRT files and the manifest of a trained network."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_layer.distance import normalise
from model_layer.engine_litert import LiteRTEngine
from model_layer.manifest import (
    FORMAT,
    MANIFEST_NAME,
    Manifest,
    Precision,
    SimilarityAlignment,
    read_manifest,
)
from model_layer.standardize import check_chip, standardize
from tools.import_model.check_parity import PICTURES, read_chips
from training.augment import TEMPLATE
from training.data import Pixels
from training.network import DIMENSION, SIZE, Array, Plain, Tensor, Weights, embed

PARITY = "parity.npz"
PRECISIONS: tuple[Precision, ...] = ("int8", "float32")
CHECK_VALUES = 16
ALIGNMENT = SimilarityAlignment(
    size=SIZE, template=tuple((round(float(x), 4), round(float(y), 4)) for x, y in TEMPLATE)
)


def embedding_function(weights: Weights) -> Any:
    """The network as a TensorFlow function: float32[1,128,128,3] -> float32[1,256], any length.

    The input is standardized already: (x - 127.5) / 128.
    """

    def run(x: Tensor) -> Tensor:
        return embed(Plain(weights), x)

    return tf.function(run, input_signature=[tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32)])


def convert(weights: Weights, precision: Precision, calibration: Pixels | None = None) -> bytes:
    """A .tflite file, float32 in and out.

    int8 is static: kernels per channel, activations in the ranges (smallest to largest) that they
    have on `calibration`, uint8[N,128,128,3].
    """
    function = embedding_function(weights).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "int8":
        if calibration is None:
            raise ValueError("int8 needs chips to calibrate with")
        converter.representative_dataset = lambda: _one_by_one(calibration)
    with warnings.catch_warnings():
        # The converter's own path to int8 does not know that statistics come from the chips.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return bytes(converter.convert())


def _one_by_one(chips: Pixels) -> Iterator[list[Array]]:
    for chip in standardize(chips, "fixed"):
        yield [chip[None]]


def write_files(weights: Weights, folder: Path, calibration: Pixels) -> None:
    """Write `<precision>.tflite` for each of PRECISIONS into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for precision in PRECISIONS:
        (folder / f"{precision}.tflite").write_bytes(convert(weights, precision, calibration))


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


def write_manifest(folder: Path, name: str, facts: Mapping[str, Any]) -> Manifest:
    """Write and validate `folder`/manifest.json.

    facts: `thresholds`, `calibration`, `licence`, `provenance` and `accuracy`, as the manifest
    has them. Raises ModelUnavailable when the result is not a valid manifest.
    """
    template = [list(point) for point in ALIGNMENT.template or ()]
    content = {
        "format": FORMAT,
        "id": name,
        "files": file_entries(folder),
        "default_precision": "int8",
        "input": {"size": SIZE, "colour_order": "RGB", "standardization": "fixed"},
        "alignment": {"kind": "similarity", "size": SIZE, "template": template},
        "embedding": {"dimension": DIMENSION, "metric": "l2"},
        **facts,
        "check": {precision: check_values(folder, precision) for precision in file_entries(folder)},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(content, indent=2) + "\n")
    return read_manifest(folder)


def check_values(folder: Path, precision: Precision) -> list[float]:
    """The first numbers of the unit embedding of `check_chip`, for a check at the start."""
    vectors = normalise(run_file(folder / f"{precision}.tflite", check_chip(SIZE)[None]))
    return [round(float(value), 5) for value in vectors[0, :CHECK_VALUES]]


def write_parity(folder: Path) -> None:
    """Save chips and the float32 file's unit embeddings of them as `folder`/parity.npz.

    The chips are those of the public-domain pictures in events/pictures. The float32 file is too
    large to ship; its answers are not.
    """
    chips = read_chips(PICTURES, ALIGNMENT).pixels
    vectors = normalise(run_file(folder / "float32.tflite", chips))
    np.savez_compressed(folder / PARITY, chips=chips, float32=vectors)


def run_file(path: Path, chips: Pixels) -> Array:
    """Embed uint8[N,128,128,3] chips with a LiteRT file: float32[N,256], not normalized."""
    return LiteRTEngine(path).embed(standardize(chips, "fixed"))
