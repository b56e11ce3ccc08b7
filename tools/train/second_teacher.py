"""Embeddings of the published FaceNet for the chips: the student's second teacher.

It is the network whose weights the student starts from, so its answers are the easiest to learn;
on LFW it is nearly as good as the first teacher and errs elsewhere.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tools.evaluate.cache import Arrays, in_chunks
from tools.train.data import Pixels
from tools.train.network import embed_full
from tools.train.weights import Array, Weights

INPUT_SIZE = 160
# The part of a 112x112 chip that comes nearest to the picture of a face this network was trained
# on (an MTCNN box with margin 32, squashed to a square): left, top, right, bottom. Of four boxes
# tried on LFW folds 1-3 it was the best: 0.9933 against 0.9861 to 0.9917.
VIEW = (4.0, -10.0, 108.0, 122.0)


def full_network_file(weights: Weights) -> bytes:
    """The full network as dynamic-range int8 LiteRT: twice as fast as float32 and as accurate."""
    signature = [tf.TensorSpec([1, INPUT_SIZE, INPUT_SIZE, 3], tf.float32)]

    embed = tf.function(partial(embed_full, weights), input_signature=signature)
    function = embed.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def view(chip: Pixels) -> Array:
    """A chip, uint8[H,W,3] with its margin, as float32[160,160,3] standardized (`fixed`)."""
    margin = (len(chip) - 112) / 2
    left, top, right, bottom = (edge + margin for edge in VIEW)
    wide, high = INPUT_SIZE / (right - left), INPUT_SIZE / (bottom - top)
    matrix = np.array([[wide, 0, -left * wide], [0, high, -top * high]], np.float32)
    seen = cv2.warpAffine(chip, matrix, (INPUT_SIZE, INPUT_SIZE))
    return np.asarray((seen.astype(np.float32) - 127.5) / 128.0)


class SecondTeacher:
    """The full network in one LiteRT interpreter per thread."""

    def __init__(self, weights: Weights) -> None:
        self._file = full_network_file(weights)
        self._local = threading.local()

    def embed(self, view: Array) -> Array:
        """float32[160,160,3] standardized -> float32[512], not normalised."""
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = Interpreter(model_content=self._file, num_threads=1)
            self._local.interpreter.allocate_tensors()
        interpreter = self._local.interpreter
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], view[None])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])


def write_targets(weights: Weights, chip: Callable[[int], Pixels], count: int, path: Path) -> None:
    """Embed `chip(0)` to `chip(count - 1)`, uint8[H,W,3] each, and save float16[count,512].

    Interrupted, the same call goes on where it stopped.
    """
    teacher = SecondTeacher(weights)

    def embed(numbers: Sequence[int]) -> Arrays:
        rows = [teacher.embed(view(chip(number))) for number in numbers]
        return {"rows": np.stack(rows).astype(np.float16)}

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = path.with_suffix(".parts")
    rows = in_chunks(parts, count, path.stem, embed, jobs=threads or 1)["rows"]
    unfinished = path.with_suffix(".partial.npy")
    np.save(unfinished, rows)
    unfinished.replace(path)
    shutil.rmtree(parts)
