"""The files that are exported, the one that is bundled, and the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import model_layer
from model_layer import check_chip, read_manifest, standardize
from model_layer.files import BUNDLED
from training.__main__ import parse_arguments, plan, whole_command
from training.describe import UNMEASURED, ship
from training.equalize import equalize
from training.export import (
    ALIGNMENT,
    CHECK_VALUES,
    PARITY,
    convert,
    embedding_function,
    run_file,
    write_manifest,
)

LARGEST = 2_000_000  # bytes


@pytest.fixture(scope="module")
def folder(weights: Any, examples: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    views = examples.calibration(8, 0)
    equal = equalize(weights, standardize(views, "fixed"))
    (made / "int8.tflite").write_bytes(convert(equal, "int8", views))
    (made / PARITY).write_bytes(b"")
    write_manifest(made, "narrow", UNMEASURED)
    return made


def test_the_int8_file_computes_nearly_what_tensorflow_does(
    folder: Path, weights: Any, examples: Any
) -> None:
    views = examples.calibration(4, 0)
    function = embedding_function(weights)
    plain = np.concatenate([function(chip[None]) for chip in standardize(views, "fixed")])
    found = run_file(folder / "int8.tflite", views)
    norms = np.linalg.norm(plain, axis=1) * np.linalg.norm(found, axis=1)
    assert ((plain * found).sum(1) / norms).min() > 0.9


def test_int8_needs_chips_to_calibrate_with(weights: Any) -> None:
    with pytest.raises(ValueError, match="calibrate"):
        convert(weights, "int8")


def test_the_manifest_carries_the_template_and_check_values(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.alignment == ALIGNMENT
    assert len(manifest.check["int8"]) == CHECK_VALUES


def test_only_the_int8_file_is_bundled(folder: Path, tmp_path: Path) -> None:
    (folder / "float32.tflite").write_bytes(b"not shipped")
    try:
        ship(folder, tmp_path / "bundle")
    finally:
        (folder / "float32.tflite").unlink()
    names = {path.name for path in (tmp_path / "bundle").iterdir()}
    assert names == {"int8.tflite", PARITY, "manifest.json"}
    assert read_manifest(tmp_path / "bundle").precisions == ("int8",)


def test_the_bundled_file_is_of_this_network_and_small() -> None:
    manifest = read_manifest(BUNDLED)
    assert manifest.alignment == ALIGNMENT
    assert manifest.precisions == ("int8",)
    assert manifest.files["int8"].bytes <= LARGEST
    interpreter = Interpreter(model_path=str(BUNDLED / "int8.tflite"))
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 128, 128, 3]
    kinds = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert np.int8 in kinds


def test_the_bundled_file_answers_the_check_chip_as_its_manifest_says() -> None:
    model = model_layer.load(BUNDLED)
    found = model.embed(check_chip(model.input_size)[None])[0]
    wanted = np.array(model.manifest.check["int8"])
    assert np.abs(found[: len(wanted)] - wanted).max() < 2e-3


def test_another_id_and_a_mix_are_part_of_the_command() -> None:
    words = ["fit", "--id", "mine", "--minutes", "5", "--mix", "0.5"]
    options = parse_arguments(words)
    command = whole_command(options)
    assert parse_arguments(command[3:]).mix == 0.5
    assert plan(options).bundle.name == "mine"
    assert parse_arguments(command[3:]).minutes == 5


@pytest.mark.parametrize("share", ["-0.1", "1.5"])
def test_mixing_takes_a_share(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["export", "--mix", share])
    assert "--mix is a share" in capsys.readouterr().err
