"""Pictures whose orientation was lost: two strangers stay strangers, one person one person."""

from pathlib import Path

import numpy as np
import pytest

import align
import model_layer

PEOPLE = ("eileen_collins", "grace_hopper")


@pytest.fixture(scope="module")
def model() -> model_layer.Model:
    return model_layer.load(model_layer.bundled_models()[0])


@pytest.fixture(scope="module")
def vectors(root: Path, model: model_layer.Model) -> dict[tuple[str, int], np.ndarray]:
    """Embeddings of both people after each number of quarter turns."""
    detector, own = align.Detector.load("fast"), model.manifest.alignment
    target = align.alignment_for(own.size, own.margin, own.template)
    made = {}
    for name in PEOPLE:
        pixels = align.decode((root / "events" / "pictures" / f"{name}.jpg").read_bytes()).pixels
        for turns in range(4):
            picture = align.Picture.of(np.ascontiguousarray(np.rot90(pixels, turns)))
            faces = detector.detect(picture)
            chosen = align.select(faces, "largest", picture.width, picture.height)
            chip = align.align(picture, faces[chosen[0]], target)
            made[name, turns] = model.embed(chip[None])[0]
    return made


def test_strangers_differ_and_people_stay_themselves(
    vectors: dict, model: model_layer.Model
) -> None:
    threshold = model.manifest.threshold
    for (name, turns), vector in vectors.items():
        for (other, others_turns), other_vector in vectors.items():
            distance = float(np.linalg.norm(vector - other_vector))
            assert (distance <= threshold) == (name == other), (name, turns, other, others_turns)
