"""The network: read, equalized, rounded, mixed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model_layer import standardize
from training.data import read_rows, upright_chips
from training.equalize import Ranges, channel_factors, equalize
from training.network import BLOCKS, DIMENSION, Plain, embed
from training.quantize import Rounded, measure_bounds, round_kernel, round_values
from training.steps import BATCH, run, save_targets, unit
from training.weights import (
    fold_input,
    load_weights,
    mixed,
    read_openvino,
    save_weights,
)


@pytest.fixture(scope="module")
def chips(examples: Any) -> np.ndarray:
    return standardize(examples.calibration(4, 0), "fixed")


def test_chips_become_vectors_that_are_not_normalized(weights: Any, chips: np.ndarray) -> None:
    vectors = embed(Plain(weights), chips).numpy()
    assert vectors.shape == (4, DIMENSION)
    assert np.ptp(np.linalg.norm(vectors, axis=1)) > 0


def test_equalizing_changes_no_output(weights: Any, chips: np.ndarray) -> None:
    before = embed(Plain(weights), chips).numpy()
    after = embed(Plain(equalize(weights, chips)), chips).numpy()
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4 * np.abs(before).max())


def test_equalized_channels_before_a_depthwise_layer_have_one_range(
    weights: Any, chips: np.ndarray
) -> None:
    ranges = Ranges(equalize(weights, chips))
    embed(ranges, chips)
    for block in BLOCKS:
        largest = ranges.largest[block.layer("expand")]
        assert largest.max() / largest.min() < 1.01


def test_factors_leave_a_dead_channel_finite() -> None:
    factors = channel_factors(np.array([1.0, 0.0, 100.0], np.float32), 1.0)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()


@pytest.mark.parametrize("shape", [(1, 1, 5, 3), (3, 3, 4, 1)])
def test_a_rounded_kernel_has_a_scale_for_each_channel(shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    kernel *= (
        10.0
        ** np.arange(max(shape[3], shape[2]))[: shape[3] if shape[3] > 1 else None][
            (..., None) if shape[3] == 1 else ...
        ]
    )
    rounded = round_kernel(tf.constant(kernel)).numpy()
    axes = (0, 1) if shape[3] == 1 else (0, 1, 2)
    step = np.abs(kernel).max(axes, keepdims=True) / 127
    assert (np.abs(rounded - kernel) <= step * 0.501).all()
    assert not np.array_equal(rounded, kernel)


def test_gradients_pass_rounding() -> None:
    x = tf.constant([0.1, 0.52, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(round_values(x, -1.0, 1.0))
    assert tape.gradient(y, x).numpy().tolist() == [1, 1, 1]
    assert round_values(x, -1.0, 1.0).numpy()[2] == pytest.approx(1, abs=0.01)


def test_a_rounded_network_stays_near_the_plain_one(weights: Any, chips: np.ndarray) -> None:
    equal = equalize(weights, chips)
    plain = embed(Plain(equal), chips).numpy()
    rounded = embed(Rounded(equal, measure_bounds(equal, chips)), chips).numpy()
    norms = np.linalg.norm(plain, axis=1) * np.linalg.norm(rounded, axis=1)
    assert ((plain * rounded).sum(1) / norms).min() > 0.95
    assert not np.allclose(plain, rounded, rtol=1e-6)


def test_the_stem_takes_standardized_rgb_after_folding(weights: Any) -> None:
    scale, shift = np.array([0.01, 0.02, 0.03]), np.array([-1.0, -2.0, -3.0])
    stem = weights["stem"]
    folded = fold_input(stem, scale, shift)
    bgr = np.random.default_rng(0).uniform(0, 255, (3, 3, 3))
    wanted = np.einsum("hwi,hwio->o", bgr * scale + shift, stem.kernel) + stem.bias
    standardized = (bgr[..., ::-1] - 127.5) / 128
    found = np.einsum("hwi,hwio->o", standardized, folded.kernel) + folded.bias
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_weights_survive_saving(weights: Any, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.npz", weights)
    loaded = load_weights(tmp_path / "weights.npz")
    assert list(loaded) == list(weights)
    for name, layer in weights.items():
        np.testing.assert_array_equal(loaded[name].kernel, layer.kernel)
        np.testing.assert_array_equal(loaded[name].bias, layer.bias)
        assert loaded[name].slope == pytest.approx(layer.slope)


def test_mixed_weights_lie_between_start_and_end(weights: Any) -> None:
    end = {name: layer._replace(kernel=layer.kernel + 1) for name, layer in weights.items()}
    between = mixed(weights, end, 0.25)
    for name, layer in weights.items():
        np.testing.assert_allclose(between[name].kernel, layer.kernel + 0.25, rtol=1e-5)
        assert between[name].slope == layer.slope


@pytest.mark.shared
def test_the_published_network_is_the_teacher(shared: Path) -> None:
    published = read_openvino(shared / "models" / "face-reidentification-retail-0095")
    values = sum(layer.kernel.size + layer.bias.size for layer in published.values())
    assert values == 1_107_016
    folder = shared / "faces" / "distill"
    rows = range(0, len(read_rows(folder)), 4000)
    vectors = embed(Plain(published), stored_chips(folder, rows)).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = np.load(folder / "targets_int8.npy")[rows].astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    # The teacher's answers are of another crop of the picture, and of its mirror image too.
    assert (vectors * targets).sum(1).mean() > 0.88


def test_targets_are_the_teachers_answers_to_the_chips_themselves(
    weights: Any, tmp_path: Path
) -> None:
    chips = np.random.default_rng(0).integers(0, 256, (BATCH + 1, 120, 120, 3), np.uint8)
    save_targets(tmp_path / "targets.npy", weights, chips)
    saved = np.load(tmp_path / "targets.npy")
    np.testing.assert_allclose(np.linalg.norm(saved, axis=1), 1, atol=1e-5)
    wanted = run(weights, standardize(upright_chips(chips), "fixed"))
    np.testing.assert_allclose(saved, unit(wanted), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["targets.npy"]


def stored_chips(folder: Path, rows: range) -> np.ndarray:
    import zipfile

    from training.data import decode_chip

    with zipfile.ZipFile(folder / "chips.zip") as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        names = [read_rows(folder)[row]["chip"] for row in rows]
        decoded = np.stack([decode_chip(archive.read(members[name])) for name in names])
    return standardize(upright_chips(decoded), "fixed")
