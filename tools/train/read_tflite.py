"""The weights of an exported student, read back: training can go on from the file that ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tools.train import network
from tools.train.weights import Array, Layer

SCALES = {
    "Block35": network.BLOCK35_SCALE,
    "Block17": network.BLOCK17_SCALE,
    "Block8": network.BLOCK8_SCALE,
}


def read_tflite(path: Path) -> dict[str, Layer]:
    """Kernels and biases by layer of an int8 or float32 file, all as float32.

    The converter keeps the scopes of `network.convolution` in its tensor names, lays kernels out
    as [out,H,W,in] and multiplies the scale of a residual block into its projection; both are
    undone here. Raises ValueError for a file that this package did not export.
    """
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    tensors = interpreter.get_tensor_details()
    kernels = {
        match.group(1): _kernel(interpreter, tensor)
        for tensor in tensors
        if (match := re.fullmatch(r"(\w+)/(?:Conv2D|MatMul)", tensor["name"]))
        and len(tensor["shape"]) in (2, 4)
    }
    biases = {
        match.group(1): interpreter.get_tensor(tensor["index"]).astype(np.float32)
        for tensor in tensors
        if len(tensor["shape"]) == 1 and (match := re.search(r"(\w+)/BiasAdd", tensor["name"]))
    }
    if not kernels or kernels.keys() != biases.keys():
        raise ValueError(f"{path.name} was not exported by tools.train")
    return {name: _unscaled(name, kernels[name], biases[name]) for name in kernels}


def _kernel(interpreter: Any, tensor: dict[str, Any]) -> Array:
    values = interpreter.get_tensor(tensor["index"]).astype(np.float32)
    scales = tensor["quantization_parameters"]["scales"]
    if scales.size:
        values = values * scales.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values.transpose(1, 2, 3, 0) if values.ndim == 4 else values.T)


def _unscaled(name: str, kernel: Array, bias: Array) -> Layer:
    match = re.fullmatch(r"(Block\d+)_\d+_Conv2d_1x1", name)
    scale = SCALES[match.group(1)] if match else 1.0
    return Layer(
        np.ascontiguousarray(kernel / scale, np.float32), np.asarray(bias / scale, np.float32)
    )
