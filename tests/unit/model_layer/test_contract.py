"""A contract changes with everything that changes an embedding, and with nothing else."""

import json
import re
from typing import Any

import msgspec
import pytest

from model_layer import BoxAlignment, Manifest, SimilarityAlignment, contract
from tests.unit.model_layer.conftest import DIMENSION, SIZE, manifest_content

WEIGHTS, OTHERS = "ab" * 32, "cd" * 32


def parse(**changes: Any) -> Manifest:
    return msgspec.json.decode(json.dumps(manifest_content(**changes)), type=Manifest)


BASE = contract(parse(), WEIGHTS, "int8")


def test_it_is_the_id_and_a_short_digest() -> None:
    assert re.fullmatch(r"toy@[0-9a-f]{12}", BASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "other"},
        {"alignment": {"kind": "box", "margin": 4, "size": SIZE}},
        {"alignment": {"kind": "similarity", "size": SIZE, "template": [[1, 1]] * 5}},
        {"input": {"size": SIZE, "colour_order": "BGR", "standardization": "fixed"}},
        {"input": {"size": SIZE, "colour_order": "RGB", "standardization": "prewhiten"}},
        {"embedding": {"dimension": DIMENSION, "metric": "l2", "mean": [0.1] * DIMENSION}},
    ],
)
def test_another_manifest_is_another_contract(changes: dict[str, Any]) -> None:
    assert contract(parse(**changes), WEIGHTS, "int8") != BASE


@pytest.mark.parametrize(
    "choice",
    [
        {"flip": True},
        {"profile": "uai"},
        {"standardization": "prewhiten"},
        {"alignment": BoxAlignment(size=SIZE, margin=44)},
        {"alignment": SimilarityAlignment(size=SIZE, template=((1.0, 1.0),) * 5)},
    ],
)
def test_another_way_is_another_contract(choice: dict[str, Any]) -> None:
    assert contract(parse(), WEIGHTS, "int8", **choice) != BASE


def test_other_weights_and_another_precision_are_other_contracts() -> None:
    others = {contract(parse(), OTHERS, "int8"), contract(parse(), WEIGHTS, "float32")}
    assert len({BASE, *others}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": None},
        {"thresholds": {"default_far": None, "default_threshold": 1.0}},
        {"licence": "MIT", "provenance": {"source": "elsewhere"}},
    ],
)
def test_what_is_only_said_of_a_model_changes_nothing(changes: dict[str, Any]) -> None:
    assert contract(parse(**changes), WEIGHTS, "int8") == BASE


def test_the_default_way_spelled_out_is_the_same_contract() -> None:
    own = parse()
    assert contract(own, WEIGHTS, "int8", alignment=own.alignment, standardization="fixed") == BASE
