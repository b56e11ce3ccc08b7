"""Weights as arrays: read from OpenVINO's files, kept as .npz, mixed.

A network is a mapping from the names of `network.layer_names` to layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from training.network import STEM, Array, Layer, Weights, is_depthwise, layer_names

MODEL = "face-reidentification-retail-0095"
# What the product's `fixed` standardization subtracts and divides by.
SHIFT, SCALE = 127.5, 128.0


def read_openvino(folder: Path) -> dict[str, Layer]:
    """The published network for standardized RGB chips instead of BGR from 0 to 255.

    folder: holds face-reidentification-retail-0095.xml and .bin. Raises OSError, and ValueError
    where the file is of another network.
    """
    graph = ElementTree.parse(folder / f"{MODEL}.xml").getroot()  # noqa: S314, a published file
    data = (folder / f"{MODEL}.bin").read_bytes()
    arrays = constants(graph, data)
    scale, shift = next(arrays)[1].ravel(), next(arrays)[1].ravel()
    layers = dict(zip(layer_names(), _layers(arrays), strict=True))
    layers[STEM] = fold_input(layers[STEM], scale, shift)
    return layers


def constants(graph: ElementTree.Element, data: bytes) -> Iterator[tuple[str, Array]]:
    """Kind of the operation that reads it, and value as float32, of every constant in order."""
    layers = {layer.get("id"): layer for layer in graph.iter("layer")}
    readers = {edge.get("from-layer"): layers[edge.get("to-layer")] for edge in graph.iter("edge")}
    for name, layer in layers.items():
        if layer.get("type") == "Const":
            convert = readers[name]
            yield readers[convert.get("id")].get("type", ""), _value(layer, data)


def _value(layer: ElementTree.Element, data: bytes) -> Array:
    facts = layer.find("data")
    if facts is None or facts.get("element_type") != "f16":
        raise ValueError(f"constant {layer.get('name')} is not of float16")
    start, length = int(facts.get("offset", 0)), int(facts.get("size", 0))
    shape = [int(side) for side in facts.get("shape", "").split(",")]
    return np.frombuffer(data[start : start + length], np.float16).reshape(shape).astype(np.float32)


def _layers(arrays: Iterator[tuple[str, Array]]) -> Iterator[Layer]:
    """Convolutions, each with the bias and slope that follow it."""
    kernel, bias, slope = None, None, None
    for kind, value in arrays:
        if kind == "Add":
            bias = value.ravel()
        elif kind == "PReLU":
            slope = float(value.item())
        else:
            if kernel is not None:
                yield _layer(kernel, bias, slope)
            kernel, bias, slope = _kernel(kind, value), None, None
    if kernel is not None:
        yield _layer(kernel, bias, slope)


def _kernel(kind: str, value: Array) -> Array:
    if kind == "GroupConvolution":  # [channels,1,1,H,W]
        return value[:, 0, 0].transpose(1, 2, 0)[..., None]
    if kind == "Convolution":  # [out,in,H,W]
        return value.transpose(2, 3, 1, 0)
    raise ValueError(f"unexpected operation {kind}")


def _layer(kernel: Array, bias: Array | None, slope: float | None) -> Layer:
    outputs = kernel.shape[2] if is_depthwise(kernel) else kernel.shape[3]
    kept = np.zeros(outputs, np.float32) if bias is None else bias
    return Layer(np.ascontiguousarray(kernel, np.float32), kept, slope)


def fold_input(stem: Layer, scale: Array, shift: Array) -> Layer:
    """The stem for standardized RGB where it saw scale * x + shift of BGR from 0 to 255."""
    kernel = stem.kernel * (SCALE * scale)[:, None]
    offset = np.einsum("hwio,i->o", stem.kernel, SHIFT * scale + shift)
    folded = np.ascontiguousarray(kernel[:, :, ::-1], np.float32)
    return Layer(folded, (stem.bias + offset).astype(np.float32), stem.slope)


def mixed(start: Weights, end: Weights, share: float) -> dict[str, Layer]:
    """`share` of the end's weights and the rest of the start's, layer by layer.

    What is learned under new augmentation stays, and of what was known before less is lost than at
    the end itself (Wortsman et al. 2022, arXiv:2109.01903).
    """
    return {
        name: Layer(
            start[name].kernel + share * (layer.kernel - start[name].kernel),
            start[name].bias + share * (layer.bias - start[name].bias),
            layer.slope,
        )
        for name, layer in end.items()
    }


def save_weights(path: Path, weights: Weights) -> None:
    """Write an .npz of `<layer>/kernel`, `<layer>/bias` and `<layer>/slope`, NaN for none."""
    arrays: dict[str, Any] = {}
    for name, layer in weights.items():
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = layer.kernel, layer.bias
        arrays[f"{name}/slope"] = np.float32(np.nan if layer.slope is None else layer.slope)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def load_weights(path: Path) -> dict[str, Layer]:
    """Read what `save_weights` wrote. Raises KeyError where a layer is missing."""
    with np.load(path) as arrays:
        return {name: _stored(arrays, name) for name in layer_names()}


def _stored(arrays: Mapping[str, Array], name: str) -> Layer:
    slope = float(arrays[f"{name}/slope"])
    kept = None if np.isnan(slope) else slope
    return Layer(arrays[f"{name}/kernel"], arrays[f"{name}/bias"], kept)
