"""The trainer, on networks a few channels wide."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from align.alignment import TEMPLATE
from model_layer.distance import normalise
from model_layer.files import BUNDLED
from model_layer.manifest import read_manifest
from model_layer.standardize import standardize
from tools.evaluate.cache import CHUNK
from tools.train import augment as augmenting
from tools.train import fit as fitting
from tools.train.__main__ import parse_arguments, plan, whole_command
from tools.train.augment import augment, centre
from tools.train.channels import Design, choose_channels, input_channels
from tools.train.data import Examples
from tools.train.describe import ship
from tools.train.export import PARITY, convert, embedding_function, fold_heads, widen, within_people
from tools.train.fit import Clock, FitSettings, fit, fit_heads, learning_rate
from tools.train.morph import Morphs, blend, match_colour
from tools.train.narrow import narrow
from tools.train.network import Topology, embed_full
from tools.train.optimizer import orthogonalized
from tools.train.read_tflite import read_tflite
from tools.train.second_teacher import write_targets
from tools.train.student import Student, StudentSettings, pooled_features
from tools.train.weights import Layer, load_facenet, load_weights, mixed, save_weights

TEACHERS = 2
DIMENSION = 6
# (name, height, width, inputs, outputs); the widths of a block follow the map it works on.
STEM = [
    ("Conv2d_1a_3x3", 3, 3, 3, 4),
    ("Conv2d_2a_3x3", 3, 3, 4, 4),
    ("Conv2d_2b_3x3", 3, 3, 4, 5),
    ("Conv2d_3b_1x1", 1, 1, 5, 6),
    ("Conv2d_4a_3x3", 3, 3, 6, 8),
    ("Conv2d_4b_3x3", 3, 3, 8, 10),
]
MIXED_6A = [
    ("Mixed_6a_Branch_0_Conv2d_1a_3x3", 3, 3, 10, 8),
    ("Mixed_6a_Branch_1_Conv2d_0a_1x1", 1, 1, 10, 4),
    ("Mixed_6a_Branch_1_Conv2d_0b_3x3", 3, 3, 4, 4),
    ("Mixed_6a_Branch_1_Conv2d_1a_3x3", 3, 3, 4, 6),
]
MIXED_7A = [
    ("Mixed_7a_Branch_0_Conv2d_0a_1x1", 1, 1, 24, 4),
    ("Mixed_7a_Branch_0_Conv2d_1a_3x3", 3, 3, 4, 6),
    ("Mixed_7a_Branch_1_Conv2d_0a_1x1", 1, 1, 24, 4),
    ("Mixed_7a_Branch_1_Conv2d_1a_3x3", 3, 3, 4, 6),
    ("Mixed_7a_Branch_2_Conv2d_0a_1x1", 1, 1, 24, 4),
    ("Mixed_7a_Branch_2_Conv2d_0b_3x3", 3, 3, 4, 4),
    ("Mixed_7a_Branch_2_Conv2d_1a_3x3", 3, 3, 4, 6),
]


def block35(number: int) -> list[tuple[str, int, int, int, int]]:
    block = f"Block35_{number}_"
    return [
        (block + "Branch_0_Conv2d_1x1", 1, 1, 10, 3),
        (block + "Branch_1_Conv2d_0a_1x1", 1, 1, 10, 3),
        (block + "Branch_1_Conv2d_0b_3x3", 3, 3, 3, 3),
        (block + "Branch_2_Conv2d_0a_1x1", 1, 1, 10, 3),
        (block + "Branch_2_Conv2d_0b_3x3", 3, 3, 3, 3),
        (block + "Branch_2_Conv2d_0c_3x3", 3, 3, 3, 3),
        (block + "Conv2d_1x1", 1, 1, 9, 10),
    ]


def block17(number: int) -> list[tuple[str, int, int, int, int]]:
    block = f"Block17_{number}_"
    return [
        (block + "Branch_0_Conv2d_1x1", 1, 1, 24, 4),
        (block + "Branch_1_Conv2d_0a_1x1", 1, 1, 24, 4),
        (block + "Branch_1_Conv2d_0b_1x7", 1, 7, 4, 4),
        (block + "Branch_1_Conv2d_0c_7x1", 7, 1, 4, 4),
        (block + "Conv2d_1x1", 1, 1, 8, 24),
    ]


def block8(number: int) -> list[tuple[str, int, int, int, int]]:
    block = f"Block8_{number}_"
    return [
        (block + "Branch_0_Conv2d_1x1", 1, 1, 42, 4),
        (block + "Branch_1_Conv2d_0a_1x1", 1, 1, 42, 4),
        (block + "Branch_1_Conv2d_0b_1x3", 1, 3, 4, 4),
        (block + "Branch_1_Conv2d_0c_3x1", 3, 1, 4, 4),
        (block + "Conv2d_1x1", 1, 1, 8, 42),
    ]


def make(shapes: list[tuple[str, int, int, int, int]], seed: int = 0) -> dict[str, Layer]:
    random = np.random.default_rng(seed)

    def layer(height: int, width: int, inputs: int, outputs: int) -> Layer:
        deviation = np.sqrt(2 / (height * width * inputs))
        kernel = random.normal(0, deviation, (height, width, inputs, outputs))
        return Layer(kernel.astype(np.float32), random.normal(0, 0.1, outputs).astype(np.float32))

    return {name: layer(*shape) for name, *shape in shapes}


@pytest.fixture(scope="module")
def body() -> dict[str, Layer]:
    return make([*STEM, *block35(1), *MIXED_6A, *block17(1), *MIXED_7A])


@pytest.fixture(scope="module")
def full() -> dict[str, Layer]:
    blocks = [*block35(1), *block35(2), *MIXED_6A, *block17(1), *block17(2), *MIXED_7A]
    return make([*STEM, *blocks, *block8(1), *block8(2)])


@pytest.fixture(scope="module")
def examples() -> Examples:
    random = np.random.default_rng(1)
    chips = random.integers(0, 256, (40, 6, 6, 3)).astype(np.uint8).repeat(20, 1).repeat(20, 2)
    targets = random.normal(size=(TEACHERS, 40, DIMENSION)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=2, keepdims=True)
    return Examples(chips, tuple(targets))


@pytest.fixture(scope="module")
def start(body: dict[str, Layer], examples: Examples) -> dict[str, Layer]:
    return fit_heads(body, examples, np.random.default_rng(0))


@pytest.fixture(scope="module")
def settings() -> FitSettings:
    return FitSettings(passes=4 * 8, batch=8, warm_up=1)


@pytest.fixture(scope="module")
def final(start: dict[str, Layer], examples: Examples) -> dict[str, Layer]:
    """A student with one head, as it is exported."""
    pooled = pooled_features(start, centre(examples.chips))
    body = {name: layer for name, layer in start.items() if not name.startswith("head")}
    return {
        **body,
        "head": fold_heads([start["head_0"], start["head_1"]], pooled, strangers(pooled)),
    }


def strangers(vectors: Any) -> Any:
    """Nobody has a name."""
    return np.full(len(vectors), "")


def outputs(content: bytes, chips: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content)
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, chips.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, chips)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def standardized(examples: Examples, count: int) -> np.ndarray:
    return (centre(examples.chips[:count]).astype(np.float32) - 127.5) / 128.0


def assert_equal_weights(left: Any, right: Any, **tolerance: float) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name].kernel, right[name].kernel, **tolerance)
        np.testing.assert_allclose(left[name].bias, right[name].bias, **tolerance)


def test_steps_on_one_batch_lower_the_loss(start: Any, examples: Examples) -> None:
    student = Student(start, StudentSettings(freeze_stem=False), centre(examples.chips))
    batch = next(examples.batches(8, seed=0))
    losses = [student.step(batch, 3e-3).loss for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_frozen_stem_stays_as_it_was(start: Any, examples: Examples) -> None:
    student = Student(start, StudentSettings(freeze_stem=True), centre(examples.chips))
    student.step(next(examples.batches(8, seed=0)), 1e-2)
    after = student.averaged()
    np.testing.assert_array_equal(after["Conv2d_2b_3x3"].kernel, start["Conv2d_2b_3x3"].kernel)
    assert np.abs(after["Conv2d_4a_3x3"].kernel - start["Conv2d_4a_3x3"].kernel).max() > 0


def test_an_interrupted_run_goes_on_to_the_same_weights(
    start: Any,
    examples: Examples,
    settings: FitSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = fit(start, examples, tmp_path / "at-once", settings)
    often = dataclasses.replace(settings, checkpoint_minutes=0.0)
    endless = Examples.batches
    with monkeypatch.context() as patch:
        patch.setattr(Examples, "batches", lambda *words: stopping(endless(*words), after=2))
        with pytest.raises(RuntimeError, match="interrupted"):
            fit(start, examples, tmp_path / "parts", often)
    in_parts = fit(start, examples, tmp_path / "parts", often)
    assert_equal_weights(at_once, in_parts, atol=1e-5)


def stopping(batches: Any, after: int) -> Any:
    yield from itertools.islice(batches, after)
    raise RuntimeError("interrupted")


def test_the_log_can_be_plotted(
    start: Any,
    examples: Examples,
    settings: FitSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fitting, "LOG_EVERY", 2)
    fit(start, examples, tmp_path, settings)
    table = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    assert table["step"].tolist() == [2, 4]
    assert np.isfinite(table["loss"]).all()
    assert np.isfinite(table["cosine_1"]).all()


def test_batches_from_the_middle_are_those_of_a_whole_run(examples: Examples) -> None:
    whole = list(itertools.islice(examples.batches(8, seed=3), 7))
    later = next(examples.batches(8, seed=3, start=6))
    np.testing.assert_array_equal(whole[6].chips, later.chips)
    np.testing.assert_array_equal(whole[6].targets[1], later.targets[1])


def test_held_out_chips_are_not_trained_on(examples: Examples) -> None:
    train, held_out = examples.split()
    assert len(held_out) == 4
    assert not set(train) & set(held_out)
    assert len(train) + len(held_out) == len(examples.chips)


@pytest.fixture(scope="module")
def with_morphs(examples: Examples) -> Examples:
    train, _ = examples.split()
    made = Morphs(examples.chips, train, seed=0)
    return dataclasses.replace(examples, morphs=made, morph_targets=-examples.targets[1][:6])


def test_half_a_batch_are_made_faces_that_the_last_teacher_knows(with_morphs: Examples) -> None:
    first, second = itertools.islice(with_morphs.batches(8, seed=3), 2)
    assert len(first.chips) == 8
    assert [len(target) for target in first.targets] == [4, 8]
    assert with_morphs.morph_targets is not None
    np.testing.assert_array_equal(first.targets[1][4:], with_morphs.morph_targets[:4])
    np.testing.assert_array_equal(second.targets[1][4:], with_morphs.morph_targets[[4, 5, 0, 1]])


def test_steps_with_made_faces_lower_the_loss(start: Any, with_morphs: Examples) -> None:
    student = Student(start, StudentSettings(freeze_stem=False), centre(with_morphs.chips))
    batch = next(with_morphs.batches(8, seed=0))
    losses = [student.step(batch, 3e-3).loss for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_made_face_depends_on_its_number_alone(with_morphs: Examples) -> None:
    assert with_morphs.morphs is not None
    first, again, other = map(with_morphs.morphs.make, (5, 5, 6))
    assert (first.shape, first.dtype) == ((120, 120, 3), np.uint8)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_only_chosen_made_faces_are_shown(with_morphs: Examples) -> None:
    chosen = dataclasses.replace(with_morphs, morph_numbers=np.array([1, 4, 5]))
    first, second = itertools.islice(chosen.batches(8, seed=3), 2)
    assert with_morphs.morph_targets is not None
    np.testing.assert_array_equal(first.targets[1][4:], with_morphs.morph_targets[[1, 4, 5, 1]])
    np.testing.assert_array_equal(second.targets[1][4:], with_morphs.morph_targets[[4, 5, 1, 4]])


def test_made_faces_are_chosen_by_the_source_of_their_first_face(
    examples: Examples, tmp_path: Path
) -> None:
    sources = ["pins" if row % 3 else "utk" for row in range(len(examples.chips))]
    lines = [f"{row}.jpg,{source}," for row, source in enumerate(sources)]
    (tmp_path / "chips.csv").write_text("\n".join(["chip,source,identity", *lines]))
    np.save(tmp_path / "chips.npy", examples.chips)
    for name in ("targets_int8", "second_teacher", "second_teacher_morphs_20"):
        count = 20 if "morphs" in name else len(examples.chips)
        np.save(tmp_path / f"{name}.npy", np.ones((count, DIMENSION), np.float32))
    folders = ["--data", str(tmp_path), "--work", str(tmp_path)]
    options = parse_arguments(["fit", *folders, "--morphs", "20", "--morphs-of", "utk"])
    chosen = plan(options).examples()
    assert chosen.morphs is not None
    assert chosen.morph_numbers is not None
    assert 0 < len(chosen.morph_numbers) < 20
    for number in range(20):
        of_utk = sources[chosen.morphs.first_row(number)] == "utk"
        assert (number in chosen.morph_numbers) == of_utk
    command = whole_command(options)
    assert command[command.index("--morphs-of") + 1] == "utk"
    misspelt = parse_arguments(["fit", *folders, "--morphs", "20", "--morphs-of", "utk,UTK"])
    with pytest.raises(SystemExit, match="no chip comes from UTK; there are pins, utk"):
        plan(misspelt).examples()


def test_made_faces_are_chosen_only_where_there_are_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["fit", "--morphs-of", "utk"])
    assert "--morphs-of chooses among --morphs" in capsys.readouterr().err


def test_another_id_is_part_of_the_command() -> None:
    assert "--id" not in whole_command(parse_arguments(["fit"]))
    command = whole_command(parse_arguments(["fit", "--id", "mine"]))
    assert command[command.index("--id") + 1] == "mine"


def test_whoever_waits_for_a_batch_hears_that_none_can_be_made(with_morphs: Examples) -> None:
    unknown = dataclasses.replace(with_morphs, morph_numbers=np.array([99]))
    with pytest.raises(IndexError):
        next(unknown.batches(8, seed=0))


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_an_orthogonalized_matrix_moves_all_its_directions_alike(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    uneven = (left * np.geomspace(1, 0.05, len(values))) @ right
    result = orthogonalized(tf.constant(uneven, tf.float32)).numpy()
    inner = left.T @ result @ right.T
    assert (np.abs(np.diag(inner) - 1) < 0.35).all()
    np.testing.assert_allclose(inner - np.diag(np.diag(inner)), 0, atol=1e-3)


def test_a_blend_shows_both_faces_and_no_black_border() -> None:
    white, grey = np.full((120, 120, 3), 250, np.uint8), np.full((120, 120, 3), 100, np.uint8)
    white[:30], grey[90:] = 0, 0
    blended = blend(white, grey, np.random.default_rng(0))
    assert (blended[:30] == 100).all()
    assert (blended[90:] == 250).all()
    assert blended[30:90].min() < 175 < blended[30:90].max()


def test_colours_are_matched_where_there_is_a_face() -> None:
    random = np.random.default_rng(0)
    dark, light = (random.normal(mean, 9, (120, 120, 3)).astype(np.uint8) for mean in (70, 170))
    dark[:20] = 0
    matched = match_colour(dark, light, 1.0)
    assert (matched[:20] == 0).all()
    assert matched[20:].mean() == pytest.approx(light.mean(), abs=1)


@pytest.mark.parametrize(
    ("wear", "hidden", "shown"),
    [
        (augmenting.glasses, ["left eye", "right eye"], ["left of mouth", "right of mouth"]),
        (augmenting.mask, ["left of mouth", "right of mouth"], ["left eye", "right eye"]),
        (augmenting.cap, ["brow"], ["nose", "left of mouth", "right of mouth"]),
    ],
)
def test_what_is_worn_hides_its_part_of_the_face(wear: Any, hidden: Any, shown: Any) -> None:
    names = ("left eye", "right eye", "nose", "left of mouth", "right of mouth")
    places = dict(zip(names, TEMPLATE, strict=True)) | {"brow": (56, 12)}
    light = np.full((112, 112, 3), 255, np.uint8)
    for seed in range(20):
        random = np.random.default_rng(seed)
        face = augmenting.paint(light, wear(random), 0.0, random)
        at = {name: face[round(float(y)), round(float(x))].max() for name, (x, y) in places.items()}
        assert all(at[name] < 170 for name in hidden), (seed, at)
        assert all(at[name] == 255 for name in shown), (seed, at)


def test_a_shaken_picture_is_as_bright_and_less_sharp() -> None:
    random = np.random.default_rng(0)
    chip = random.integers(0, 256, (112, 112, 3)).astype(np.uint8)
    for _ in range(20):
        shaken = augmenting.shake(chip, random)
        assert shaken.mean() == pytest.approx(chip.mean(), abs=1.5)
        assert shaken.std() < 0.8 * chip.std()


def test_augmentation_depends_on_the_seed_alone(examples: Examples) -> None:
    chip = examples.chips[0]
    first, again, other = (augment(chip, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(("steps", "share"), [(0, 0.01), (50, 0.505), (100, 0.01)])
def test_the_rate_warms_up_and_falls_to_its_last_value(steps: int, share: float) -> None:
    settings = FitSettings(passes=800, batch=8, rate=1.0, warm_up=100 if steps == 0 else 1)
    assert learning_rate(settings, Clock(steps=steps)) == pytest.approx(share)


def test_a_limit_in_minutes_ends_the_schedule() -> None:
    settings = FitSettings(minutes=2.0)
    assert Clock(steps=1, seconds=60).progress(settings) == pytest.approx(0.5)
    assert Clock(steps=1, seconds=121).progress(settings) == 1.0


def test_the_exported_file_computes_what_tensorflow_does(final: Any, examples: Examples) -> None:
    chips = standardized(examples, 3)
    expected = embedding_function(final)(chips).numpy()
    np.testing.assert_allclose(outputs(convert(final, "float32"), chips), expected, atol=1e-4)
    assert expected.shape == (3, 2 * DIMENSION)


def test_training_can_start_again_from_an_exported_file(final: Any, tmp_path: Path) -> None:
    path = tmp_path / "float32.tflite"
    path.write_bytes(convert(final, "float32"))
    assert_equal_weights(read_tflite(path), final, atol=1e-5)


def test_int8_weights_are_read_back_to_within_a_step(tmp_path: Path) -> None:
    wide = make([*STEM, *MIXED_6A, *block17(1), *MIXED_7A])
    random = np.random.default_rng(0)
    kernel, bias = random.normal(size=(42, 64)), random.normal(size=64)
    wide["head"] = Layer(kernel.astype(np.float32), bias.astype(np.float32))
    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(wide, "int8"))
    read = read_tflite(path)["head"].kernel
    step = np.abs(wide["head"].kernel).max(0) / 127
    assert (np.abs(read - wide["head"].kernel) <= 0.51 * step).all()
    assert (read != wide["head"].kernel).any()


def test_wider_files_compute_with_the_weights_of_the_int8_file(
    final: Any, examples: Examples, tmp_path: Path
) -> None:
    (tmp_path / "small.tflite").write_bytes(convert(final, "int8"))
    folder = tmp_path / "wide"
    widen(tmp_path / "small.tflite", folder)
    rounded = read_tflite(tmp_path / "small.tflite")
    assert (folder / "int8.tflite").read_bytes() == (tmp_path / "small.tflite").read_bytes()
    assert_equal_weights(read_tflite(folder / "float32.tflite"), rounded, rtol=1e-5, atol=1e-6)
    chips = standardized(examples, 3)
    wide, half = (
        outputs((folder / f"{name}.tflite").read_bytes(), chips) for name in ("float32", "float16")
    )
    np.testing.assert_allclose(wide, embedding_function(rounded)(chips).numpy(), atol=1e-4)
    np.testing.assert_allclose(half, wide, atol=1e-2)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    function = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec([1, 2])])
    concrete = function.get_concrete_function()
    path = tmp_path / "foreign.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    with pytest.raises(ValueError, match=r"foreign\.tflite was not exported"):
        read_tflite(path)


def test_what_differs_within_people_counts_less() -> None:
    random = np.random.default_rng(0)
    people = np.repeat(["ann", "bob", "cleo", "", "dan"], 40)
    who = np.repeat(random.normal(size=(5, 8)), 40, axis=0)
    who[:, 0] = 3 * random.normal(size=200)  # as a pose might: it says nothing of the person
    vectors = (who + 0.1 * random.normal(size=who.shape)).astype(np.float32)
    matrix = within_people(vectors, people)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    gains = np.linalg.norm(matrix, axis=0)
    assert gains[0] < 0.9 * gains[1:].min()
    assert gains[1:].max() < 1.1 * gains[1:].min()


def test_where_nobody_is_named_twice_nothing_is_whitened() -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    for people in (strangers(vectors), np.array(["ann", "bob", "", "cleo"])):
        np.testing.assert_array_equal(within_people(vectors, people), np.eye(3))


def test_folded_heads_keep_the_similarities_of_both() -> None:
    random = np.random.default_rng(0)
    pooled = random.normal(size=(50, 20)).astype(np.float32)
    heads = [
        Layer(random.normal(size=(20, 5)).astype(np.float32), np.ones(5, np.float32))
        for _ in range(2)
    ]
    folded = fold_heads(heads, pooled, strangers(pooled))
    apart = [pooled @ head.kernel + head.bias for head in heads]
    apart = [output / np.linalg.norm(output, axis=1).mean() for output in apart]
    expected = np.concatenate(apart, 1)
    result = pooled @ folded.kernel + folded.bias
    np.testing.assert_allclose(result @ result.T, expected @ expected.T, atol=1e-4)


SAME_WIDTHS = Design(
    conv_1a=4,
    conv_4a=8,
    block35=(1, 2),
    mixed_6a=(8, 4, 6),
    block17=(1, 2),
    block17_inside=4,
    mixed_7a_inside=4,
    mixed_7a=(6, 6, 6),
)
NARROWER = dataclasses.replace(
    SAME_WIDTHS, conv_4a=7, block35=(2,), mixed_6a=(6, 3, 5), block17=(2,), mixed_7a=(5, 4, 3)
)


def test_an_interrupted_second_teacher_goes_on(full: Any, tmp_path: Path) -> None:
    head = make([("Bottleneck", 1, 1, full["Block8_2_Conv2d_1x1"].bias.size, DIMENSION)])
    weights = full | {"Bottleneck": Layer(head["Bottleneck"].kernel[0, 0], head["Bottleneck"].bias)}
    count = CHUNK + 3
    faces = np.random.default_rng(2).integers(0, 256, (count, 120, 120, 3)).astype(np.uint8)
    asked = []

    def chip(number: int) -> np.ndarray:
        asked.append(number)
        return faces[number]

    def stopping_chip(number: int) -> np.ndarray:
        if number >= CHUNK:
            raise KeyboardInterrupt
        return faces[number]

    with pytest.raises(KeyboardInterrupt):
        write_targets(weights, stopping_chip, count, tmp_path / "targets.npy")
    write_targets(weights, chip, count, tmp_path / "targets.npy")
    assert sorted(asked) == list(range(CHUNK, count))
    write_targets(weights, faces.__getitem__, count, tmp_path / "at_once.npy")
    targets = np.load(tmp_path / "targets.npy")
    assert targets.shape == (count, DIMENSION)
    assert np.array_equal(targets, np.load(tmp_path / "at_once.npy"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at_once.npy", "targets.npy"]


def test_narrowing_to_the_same_widths_changes_nothing(full: Any, examples: Examples) -> None:
    narrowed = narrow(full, standardized(examples, 12), SAME_WIDTHS, np.random.default_rng(0))
    body = {name: layer for name, layer in full.items() if not name.startswith("Block8")}
    assert_equal_weights(narrowed, body, atol=2e-3)


def test_a_narrowed_network_has_the_blocks_and_widths_asked_for(
    full: Any, examples: Examples
) -> None:
    chips = standardized(examples, 12)
    narrowed = narrow(full, chips, NARROWER, np.random.default_rng(0))
    assert Topology.of(narrowed) == Topology((2,), (2,))
    assert narrowed["Conv2d_4b_3x3"].kernel.shape == (3, 3, 7, 10)
    assert narrowed["Block17_2_Conv2d_1x1"].kernel.shape == (1, 1, 8, 6 + 5 + 10)
    assert pooled_features(narrowed, centre(examples.chips[:2])).shape == (2, 5 + 4 + 3 + 21)


def test_narrowing_finds_the_inputs_that_are_left(full: Any, examples: Examples) -> None:
    kept = choose_channels(full, standardized(examples, 4), NARROWER)
    inputs = input_channels(full, kept, Topology((2,), (2,)))
    np.testing.assert_array_equal(inputs["Conv2d_4b_3x3"], kept["Conv2d_4a_3x3"])
    np.testing.assert_array_equal(
        inputs["Mixed_7a_Branch_0_Conv2d_0a_1x1"], kept["Block17_2_Conv2d_1x1"]
    )
    projection = inputs["Block17_2_Conv2d_1x1"]
    np.testing.assert_array_equal(projection[:4], kept["Block17_2_Branch_0_Conv2d_1x1"])


def test_weights_survive_saving(body: Any, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.npz", body)
    assert_equal_weights(load_weights(tmp_path / "weights.npz"), body)


def test_mixed_weights_lie_between_start_and_end(body: Any) -> None:
    other = {name: Layer(kernel + 1, bias - 2) for name, (kernel, bias) in body.items()}
    assert_equal_weights(mixed(body, other, 0.0), body)
    assert_equal_weights(mixed(body, other, 1.0), other, atol=1e-6)
    middle = mixed(body, other, 0.25)["Conv2d_1a_3x3"]
    np.testing.assert_allclose(middle.kernel, body["Conv2d_1a_3x3"].kernel + 0.25, atol=1e-6)
    np.testing.assert_allclose(middle.bias, body["Conv2d_1a_3x3"].bias - 0.5, atol=1e-6)


@pytest.mark.parametrize("start", [[], ["--init-from", "int8.tflite"]])
def test_mixing_needs_the_weights_of_another_training(
    start: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["export", "--mix", "0.5", *start])
    assert "--mix needs the student.npz" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan"])
def test_mixing_takes_a_share(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["export", "--mix", share, "--init-from", "student.npz"])
    assert "from 0 to 1" in capsys.readouterr().err


def test_batch_norm_is_folded_into_the_kernel(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kernel, x = random.normal(size=(1, 1, 3, 2)), random.normal(size=(5, 3))
    beta, mean, variance = random.normal(size=2), random.normal(size=2), random.random(2)
    names = ("kernel", "BatchNorm_beta", "BatchNorm_moving_mean", "BatchNorm_moving_variance")
    arrays = dict(
        zip((f"layer_{name}" for name in names), (kernel, beta, mean, variance), strict=True)
    )
    np.savez(tmp_path / "net.npz", **arrays)
    layer = load_facenet(tmp_path / "net.npz")["layer"]
    normalised = (x @ kernel[0, 0] - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(x @ layer.kernel[0, 0] + layer.bias, normalised, rtol=1e-4)


def test_the_bundled_file_holds_the_network_that_is_trained_here() -> None:
    with np.load(BUNDLED / PARITY) as parity:
        chips, float32 = parity["chips"], parity["float32"]
    embed = embedding_function(read_tflite(BUNDLED / "int8.tflite"))
    vectors = normalise(embed(standardize(chips, "fixed")).numpy())
    assert np.sum(vectors * float32, axis=1).min() > 0.99


def test_only_the_int8_file_is_bundled(tmp_path: Path) -> None:
    made = Path(shutil.copytree(BUNDLED, tmp_path / "made"))
    shutil.copyfile(made / "int8.tflite", made / "float32.tflite")
    manifest = ship(made, tmp_path / "bundled")
    assert set(manifest.files) == {"int8"}
    assert manifest == read_manifest(BUNDLED)
    assert not (tmp_path / "bundled" / "float32.tflite").exists()


@pytest.mark.shared
def test_the_published_weights_give_the_published_embedding(shared: Path) -> None:
    weights = load_facenet(shared / "models" / "facenet-20180402-114759.npz")
    picture = np.linspace(-1, 1, 3 * 160 * 160, dtype=np.float32).reshape(1, 3, 160, 160)
    embedding = embed_full(weights, picture.transpose(0, 2, 3, 1)).numpy()[0]
    first = [0.023061, 0.006832, -0.059693, 0.043314, 0.000663, 0.082477, -0.061489, 0.050746]
    np.testing.assert_allclose((embedding / np.linalg.norm(embedding))[:8], first, atol=2e-6)
