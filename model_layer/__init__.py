"""Face chips -> embeddings -> distance, similarity, decision. No AWS, no detection.

>>> import model_layer
>>> model = model_layer.load("/path/to/model")
>>> vectors = model.embed(chips)                                  # uint8 RGB [N,S,S,3]
>>> distance = model_layer.distances(vectors[:1], vectors[1:])[0, 0]
>>> model.manifest.similarity(distance), distance <= model.manifest.threshold
"""

from model_layer.contract import contract
from model_layer.distance import distances, normalise
from model_layer.engine import Engine, EngineName
from model_layer.errors import ModelError, ModelMismatch, ModelUnavailable, RateNotMeasured
from model_layer.files import bundled_models
from model_layer.manifest import (
    BoxAlignment,
    Calibration,
    Manifest,
    Precision,
    SimilarityAlignment,
    Standardization,
    read_manifest,
)
from model_layer.model import Model, load
from model_layer.refusal import Refusal
from model_layer.standardize import check_chip, standardize
from model_layer.thresholds import FarThreshold, Thresholds, WorstGroup

__all__ = [
    "BoxAlignment",
    "Calibration",
    "Engine",
    "EngineName",
    "FarThreshold",
    "Manifest",
    "Model",
    "ModelError",
    "ModelMismatch",
    "ModelUnavailable",
    "Precision",
    "RateNotMeasured",
    "Refusal",
    "SimilarityAlignment",
    "Standardization",
    "Thresholds",
    "WorstGroup",
    "bundled_models",
    "check_chip",
    "contract",
    "distances",
    "load",
    "normalise",
    "read_manifest",
    "standardize",
]
