"""LiteRT files and the manifest of a trained student."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
from tools.train.read_tflite import read_tflite
from tools.train.student import unit
from tools.train.weights import Array, Layer, Weights

People = npt.NDArray[np.str_]

DIMENSION = 256
# Added to each variance within people, in units of their mean: of 0.3 to 30, 3 and 10 told apart
# best the half of the named people of the training chips that the matrix was not made from.
WITHIN_DAMPING = 10.0
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


def widen(int8: Path, folder: Path) -> None:
    """Write an int8 file and its own weights as float16 and float32 files into `folder`.

    The float32 file computes with weights that were rounded to int8 once; with that of the
    training it shares the size and the speed, not the last digits.
    """
    write_files(read_tflite(int8), folder)
    shutil.copyfile(int8, folder / "int8.tflite")


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


def fold_heads(heads: Sequence[Layer], pooled: Array, people: People) -> Layer:
    """One linear head of DIMENSION outputs out of one head per teacher.

    The heads' outputs, each divided by its mean length, stand side by side, are whitened within
    people and turned onto their principal axes, so that distances are kept as well as DIMENSION
    axes can. pooled: float32[N,C], features of training chips, which give lengths, whitening and
    axes. people: str[N], whom they show, empty where unknown.
    """
    outputs = [pooled @ head.kernel + head.bias for head in heads]
    lengths = [np.linalg.norm(output, axis=1).mean() for output in outputs]
    joint = np.concatenate([out / length for out, length in zip(outputs, lengths, strict=True)], 1)
    whitening = within_people(joint, people)
    joint = joint @ whitening
    # Not centred: embeddings are compared by their angle from the origin.
    _, axes = np.linalg.eigh(joint.T @ joint)
    turn = whitening @ axes[:, ::-1][:, :DIMENSION]
    scaled = list(zip(heads, lengths, strict=True))
    kernel = np.concatenate([head.kernel / length for head, length in scaled], 1)
    bias = np.concatenate([head.bias / length for head, length in scaled])
    return Layer((kernel @ turn).astype(np.float32), (bias @ turn).astype(np.float32))


def within_people(vectors: Array, people: People) -> Array:
    """A matrix, float32[D,D], that shrinks the directions in which pictures of one person differ.

    Within-class covariance normalization (Hatch et al., Interspeech 2006) of unit vectors, damped:
    few people are named. Without any it changes nothing. vectors: float32[N,D]; people: str[N].
    """
    named = unit(vectors[people != ""])
    names, person = np.unique(people[people != ""], return_inverse=True)
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, person, named)
    apart = named - (sums / np.bincount(person)[:, None])[person]
    values, axes = np.linalg.eigh(apart.T @ apart)
    spread = values.mean()
    if spread <= 0:
        return np.eye(vectors.shape[1], dtype=np.float32)
    scaled = axes / np.sqrt(values / spread + WITHIN_DAMPING)
    return np.asarray(scaled @ axes.T, np.float32)


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
