"""Weights of one network in one graph, in whichever TensorFlow graph they came."""

from typing import Any

import numpy as np
import tensorflow as tf

from model_layer.standardize import check_chip, standardize
from tools.import_model import inception_resnet_v1
from tools.import_model.check_parity import FLOAT32_TOLERANCE, reference
from tools.import_model.facenet_names import TENSORFLOW_SCOPE, from_tensorflow
from tools.import_model.freeze import freeze
from tools.import_model.read_graph import SourceGraph, TensorNames


def canonical(frozen: Any, size: int) -> Any:
    """Inception-ResNet-v1 built from the graph's own constants, where that is the same function.

    A checkpoint, a frozen graph and a Keras file of the same weights then become the same LiteRT
    files, and so the same contract. The graph as it came where it is another network, or has
    something that ours has not.
    """
    variables = {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in frozen.node
        if node.op == "Const" and TENSORFLOW_SCOPE in node.name
    }
    try:
        rebuilt = inception_resnet_v1.graph_of(from_tensorflow(variables), size)
    except (KeyError, ValueError):
        return frozen
    # As plain arrays go: the same steps make the same bytes.
    rebuilt = freeze(SourceGraph(rebuilt, TensorNames()), size, {})
    chips = standardize(check_chip(size)[None], "fixed")
    differences = np.abs(reference(rebuilt, chips) - reference(frozen, chips))
    return rebuilt if differences.max() <= FLOAT32_TOLERANCE else frozen
