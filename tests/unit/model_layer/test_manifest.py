import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model_layer import ModelUnavailable, read_manifest
from model_layer.manifest import BoxAlignment, Manifest, SimilarityAlignment
from tests.unit.model_layer.conftest import DIMENSION, SIZE, manifest_content

CROWD = {"condition": "blur", "direction": [0.0] * DIMENSION, "norm_weight": -1.0, "limit": -3.0}
REFUSAL = {"crowds": [CROWD], "refused": 0.004, "strangers_accepted": 1e-3, "protocol": "made up"}


def parse(**changes: Any) -> Manifest:
    return msgspec.json.decode(json.dumps(manifest_content(**changes)), type=Manifest)


def read(folder: Path, **changes: Any) -> Manifest:
    (folder / "manifest.json").write_text(json.dumps(manifest_content(**changes)))
    return read_manifest(folder)


def test_a_valid_manifest_says_all_that_code_needs(tmp_path: Path) -> None:
    manifest = read(tmp_path)

    assert (manifest.id, manifest.input.size, manifest.embedding.dimension) == (
        "toy",
        SIZE,
        DIMENSION,
    )
    assert manifest.alignment == SimilarityAlignment(size=SIZE)
    assert (manifest.threshold, manifest.far) == (1.1, 0.01)
    assert manifest.precisions == ("int8",)


def test_similarity_alignment_carries_its_template(tmp_path: Path) -> None:
    template = ((2.0, 3.0), (6.0, 3.0), (4.0, 4.5), (2.5, 6.0), (5.5, 6.0))
    manifest = read(tmp_path, alignment={"kind": "similarity", "size": SIZE, "template": template})

    assert manifest.alignment == SimilarityAlignment(size=SIZE, template=template)


def test_box_alignment_carries_its_margin(tmp_path: Path) -> None:
    manifest = read(tmp_path, alignment={"kind": "box", "margin": 32, "size": SIZE})

    assert manifest.alignment == BoxAlignment(size=SIZE, margin=32)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 1}, "format 1 .* import the model again"),
        ({"format": 3}, "format 3 is newer"),
        ({"format": "2"}, "format"),
        ({"id": ""}, "id"),
        ({"default_precision": "float32"}, "default_precision"),
        ({"default_precision": "int4"}, "default_precision"),
        ({"input": {"size": SIZE, "standardization": "whiten"}}, "standardization"),
        ({"alignment": {"kind": "circle", "size": SIZE}}, "alignment"),
        ({"alignment": {"kind": "similarity", "size": 160}}, "alignment.size"),
        (
            {"alignment": {"kind": "similarity", "size": SIZE, "template": [[1, 2]] * 4}},
            "template",
        ),
        (
            {"alignment": {"kind": "similarity", "size": SIZE, "template": [[1, 2000]] * 5}},
            "alignment.template",
        ),
        ({"embedding": {"dimension": DIMENSION, "metric": "cosine"}}, "metric"),
        ({"embedding": {"dimension": DIMENSION, "mean": [0.5]}}, "embedding.mean"),
        ({"thresholds": {"default_far": None, "default_threshold": 2.5}}, "default_threshold"),
        ({"thresholds": {"default_far": None}}, "default_far or default_threshold"),
        ({"thresholds": {"default_far": 0.1, "table": []}}, "default_far 0.1 is outside"),
        ({"refusal": REFUSAL | {"crowds": [CROWD | {"direction": [1.0]}]}}, "'blur' has 1"),
        ({"refusal": REFUSAL | {"refused": 2}}, "refused"),
        ({"calibration": {"slope": -1, "intercept": 0, "protocol": ""}}, "slope"),
        ({"files": {"int8": {"name": "int8.tflite", "sha256": "abc", "bytes": 1}}}, "sha256"),
        ({"files": {"int8": {"name": "../x.tflite", "sha256": "0" * 64, "bytes": 1}}}, "name"),
        ({"files": {"int8": {"name": "/x.tflite", "sha256": "0" * 64, "bytes": 1}}}, "name"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused_and_the_field_named(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ModelUnavailable, match=named) as caught:
        read(tmp_path, **changes)

    assert caught.value.details == {"file": "manifest.json"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)

    with pytest.raises(ModelUnavailable, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no readable manifest\.json"):
        read_manifest(tmp_path)


def test_similarity_is_a_half_at_the_calibrated_distance_and_falls_with_it() -> None:
    manifest = parse()

    assert manifest.similarity(1.1) == pytest.approx(0.5)
    assert manifest.similarity(0.0) == pytest.approx(1 / (1 + math.exp(-11)))
    assert manifest.similarity(2.0) == pytest.approx(1 / (1 + math.exp(9)))


def test_similarity_stays_a_probability_where_the_exponential_overflows() -> None:
    manifest = parse(calibration={"slope": 1e4, "intercept": 1e4, "protocol": ""})

    assert (manifest.similarity(0.0), manifest.similarity(2.0)) == (1.0, 0.0)


def test_check_values_belong_to_a_file(tmp_path: Path) -> None:
    values = tuple(number / 10 for number in range(8))

    assert read(tmp_path, check={"int8": values}).check == {"int8": values}
    with pytest.raises(ModelUnavailable, match=r"check\.float32"):
        read(tmp_path, check={"float32": values})


def test_without_calibration_there_is_no_similarity() -> None:
    assert parse(calibration=None).similarity(0.5) is None


def test_a_refusal_is_read_with_its_crowds() -> None:
    refusal = parse(refusal=REFUSAL).refusal
    assert refusal is not None
    assert refusal.crowds[0].condition == "blur"
