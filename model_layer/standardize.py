"""From uint8 pixels to the numbers a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from model_layer.manifest import Standardization


def standardize(chips: NDArray[np.uint8], method: Standardization) -> NDArray[np.float32]:
    """uint8 [N,S,S,3] -> float32 [N,S,S,3], each picture by itself."""
    return prewhiten(chips) if method == "prewhiten" else scale_fixed(chips)


def check_chip(size: int) -> NDArray[np.uint8]:
    """A chip that arithmetic makes, the same everywhere: uint8 [size,size,3] RGB, size >= 2.

    Red grows downwards, green to the right, blue with both. The manifest's `check` holds what a
    sound engine answers to it.
    """
    rows, columns = np.mgrid[0:size, 0:size]
    last = size - 1
    planes = (rows * 255 // last, columns * 255 // last, rows * columns * 255 // last**2)
    return np.stack(planes, axis=-1).astype(np.uint8)


def scale_fixed(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(x - 127.5) / 128: what the 2018 FaceNet models were trained with.

    Source: `--use_fixed_image_standardization` of davidsandberg/facenet.
    """
    scaled = chips.astype(np.float32)
    scaled -= np.float32(127.5)
    scaled /= np.float32(128.0)
    return scaled


def prewhiten(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Zero mean and unit deviation per picture, over all pixels and channels.

    The deviation has the floor 1/sqrt(number of values), so that a picture of one colour becomes
    zeros rather than a division by zero. Source: `facenet.prewhiten` of davidsandberg/facenet.
    """
    per_picture = (1, 2, 3)
    mean = chips.mean(axis=per_picture, keepdims=True)
    deviation = chips.std(axis=per_picture, keepdims=True)
    floor = 1.0 / np.sqrt(chips[0].size)
    return np.asarray((chips - mean) / np.maximum(deviation, floor), np.float32)
