"""Model.embed against an engine that does nothing clever."""

from typing import Any

import msgspec
import numpy as np
import pytest

from model_layer import Manifest, Model, contract, normalise, standardize
from tests.unit.model_layer.conftest import DIMENSION, SIZE, manifest_content


class CornerEngine:
    """An embedding that is the first pixels of the first row: easy to foresee."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def embed(self, chips: np.ndarray) -> np.ndarray:
        self.seen.append(chips)
        return chips.reshape(len(chips), -1)[:, :DIMENSION] + np.float32(3)


def model_with(**changes: Any) -> Model:
    manifest = msgspec.convert(manifest_content(**changes), Manifest)
    return Model(manifest, CornerEngine(), "0" * 64, "int8")


def corner(chips: np.ndarray, method: Any = "fixed") -> np.ndarray:
    return normalise(CornerEngine().embed(standardize(chips, method)))


def test_embeddings_have_unit_length_and_keep_the_order_of_chips(chips: np.ndarray) -> None:
    vectors = model_with().embed(chips)

    assert (vectors.shape, vectors.dtype) == ((6, DIMENSION), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors, corner(chips), atol=1e-6)


def test_flip_is_the_direction_between_a_chip_and_its_mirror_image(chips: np.ndarray) -> None:
    vectors = model_with().embed(chips, flip=True)

    between = normalise(corner(chips) + corner(np.flip(chips, axis=2)))
    np.testing.assert_allclose(vectors, between, atol=1e-6)
    np.testing.assert_allclose(vectors, model_with().embed(chips[:, :, ::-1], flip=True), atol=1e-6)


def test_norms_are_the_networks_own_and_of_both_images_the_smaller(chips: np.ndarray) -> None:
    raw = CornerEngine().embed(standardize(chips, "fixed"))
    mirrored = CornerEngine().embed(standardize(np.flip(chips, axis=2), "fixed"))
    own, other = (np.linalg.norm(each, axis=1) for each in (raw, mirrored))

    vectors, norms = model_with().embed_with_norms(chips)
    np.testing.assert_allclose(norms, own, rtol=1e-6)
    np.testing.assert_array_equal(vectors, model_with().embed(chips))
    flipped = model_with().embed_with_norms(chips, flip=True)[1]
    np.testing.assert_allclose(flipped, np.minimum(own, other), rtol=1e-6)


def test_a_model_knows_the_contract_of_its_embeddings() -> None:
    plain, flipped = model_with().contract(), model_with().contract(flip=True)
    assert plain == contract(model_with().manifest, "0" * 64, "int8")
    assert plain != flipped


def test_a_caller_may_choose_the_other_standardization(chips: np.ndarray) -> None:
    vectors = model_with().embed(chips, standardization="prewhiten")

    np.testing.assert_allclose(vectors, corner(chips, "prewhiten"), atol=1e-6)


def test_a_model_trained_on_bgr_gets_bgr(chips: np.ndarray) -> None:
    bgr = model_with(input={"size": SIZE, "colour_order": "BGR", "standardization": "fixed"})

    np.testing.assert_allclose(bgr.embed(chips), corner(chips[..., ::-1]), atol=1e-6)


def test_a_mean_in_the_manifest_is_subtracted_from_unit_vectors(chips: np.ndarray) -> None:
    mean = [0.3, 0.2, 0.1, 0.0, -0.1]
    centred = model_with(embedding={"dimension": DIMENSION, "mean": mean})

    expected = normalise(corner(chips) - np.float32(mean))
    np.testing.assert_allclose(centred.embed(chips), expected, atol=1e-6)
    plain = model_with().embed(chips, standardization="prewhiten")
    np.testing.assert_array_equal(centred.embed(chips, standardization="prewhiten"), plain)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.zeros((0, SIZE, SIZE, 3), np.uint8),
        np.zeros((1, SIZE, SIZE, 4), np.uint8),
        np.zeros((1, SIZE + 1, SIZE, 3), np.uint8),
        np.zeros((1, SIZE, SIZE, 3), np.float32),
    ],
    ids=["no-batch", "empty", "alpha", "oblong", "float"],
)
def test_chips_of_another_form_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="chips must"):
        model_with().embed(wrong)


def test_chips_are_left_as_they_were(chips: np.ndarray) -> None:
    before = chips.copy()

    model_with().embed(chips, flip=True, standardization="prewhiten")

    np.testing.assert_array_equal(chips, before)
