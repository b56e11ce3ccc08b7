"""Weights of one network in one graph, in whichever graph they came."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model_layer.standardize import check_chip, standardize
from tools.import_model import inception_resnet_v1
from tools.import_model.check_parity import FLOAT32_TOLERANCE, reference
from tools.import_model.facenet_names import TENSORFLOW_SCOPE, from_network, from_tensorflow
from tools.import_model.freeze import freeze
from tools.import_model.network import Network
from tools.import_model.read_graph import SourceGraph, TensorNames

Floats = NDArray[np.float32]


def canonical(frozen: Any, size: int, embed: Callable[[Floats], Floats]) -> Any:
    """Inception-ResNet-v1 built from the graph's own constants, where that is the same function.

    A checkpoint, a frozen graph and a Keras file of the same weights then become the same LiteRT
    files, and so the same contract. The graph as it came where it is another network, or has
    something that ours has not.

    embed: the graph's own runtime.
    """
    variables = {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in frozen.node
        if node.op == "Const" and TENSORFLOW_SCOPE in node.name
    }
    rebuilt = _rebuilt(from_tensorflow(variables), size, embed)
    return frozen if rebuilt is None else rebuilt


def canonical_network(network: Network, embed: Callable[[Floats], Floats]) -> Any | None:
    """Inception-ResNet-v1 built from an ONNX network's constants, where that is the same function.

    None where it is another network, or its batch norm was folded into the convolutions: rounding
    has changed the weights then.
    """
    try:
        arrays = from_network(network)
    except ValueError:
        return None
    return _rebuilt(arrays, network.size, embed)


def _rebuilt(
    arrays: Mapping[str, Floats], size: int, embed: Callable[[Floats], Floats]
) -> Any | None:
    """The graph of these arrays; None where they do not fit, or answer otherwise than `embed`."""
    try:
        graph = inception_resnet_v1.graph_of(arrays, size)
    except (KeyError, ValueError):
        return None
    # As plain arrays go: the same steps make the same bytes.
    graph = freeze(SourceGraph(graph, TensorNames()), size, {})
    chips = standardize(check_chip(size)[None], "fixed")
    differences = np.abs(reference(graph)(chips) - embed(chips))
    return graph if differences.max() <= FLOAT32_TOLERANCE else None
