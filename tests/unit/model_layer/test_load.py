"""Loading real files: what is checked before a network is trusted, and that it then runs."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import model_layer
from model_layer import ModelUnavailable, bundled_models, load
from tests.unit.model_layer.conftest import DIMENSION, SIZE, MakeFolder

ENGINES = ["litert", pytest.param("tensorflow", marks=pytest.mark.full)]


def test_a_loaded_model_embeds_any_number_of_chips(
    make_folder: MakeFolder, chips: np.ndarray
) -> None:
    model = load(make_folder())

    together = model.embed(chips)
    one_by_one = np.concatenate([model.embed(chip[None]) for chip in chips])
    many = model.embed(np.concatenate([chips] * 3))

    assert (model.id, model.dimension, model.input_size) == ("toy", DIMENSION, SIZE)
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    np.testing.assert_allclose(many, np.concatenate([one_by_one] * 3), atol=1e-6)


@pytest.mark.full
def test_the_model_names_the_digest_of_the_file_that_serves(make_folder: MakeFolder) -> None:
    folder = make_folder(frozen_graph=True)
    files = json.loads((folder / "manifest.json").read_text())["files"]

    assert load(folder).sha256 == files["int8"]["sha256"]
    assert load(folder, engine="tensorflow").sha256 == files["tensorflow"]["sha256"]


def test_a_result_is_not_changed_by_the_next_call(
    make_folder: MakeFolder, chips: np.ndarray
) -> None:
    model = load(make_folder())

    first = model.embed(chips[:1])
    kept = first.copy()
    model.embed(chips[1:])

    np.testing.assert_array_equal(first, kept)


@pytest.mark.full
def test_tensorflow_gives_the_same_embeddings(make_folder: MakeFolder, chips: np.ndarray) -> None:
    folder = make_folder(frozen_graph=True)

    reference = load(folder, engine="tensorflow", threads=2)

    np.testing.assert_allclose(reference.embed(chips), load(folder).embed(chips), atol=1e-5)


def test_a_missing_file_is_named(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "int8.tflite").unlink()

    with pytest.raises(ModelUnavailable, match=r"int8\.tflite cannot be read") as caught:
        load(folder)

    assert caught.value.details == {"file": "int8.tflite"}


def test_a_truncated_file_is_refused_with_both_sizes(make_folder: MakeFolder) -> None:
    folder = make_folder()
    whole = (folder / "int8.tflite").read_bytes()
    (folder / "int8.tflite").write_bytes(whole[:-1])

    with pytest.raises(ModelUnavailable, match=r"int8\.tflite has \d+ bytes") as caught:
        load(folder)

    assert caught.value.details["expected"] == len(whole)
    assert caught.value.details["actual"] == len(whole) - 1


def test_one_changed_bit_is_refused_with_both_digests(make_folder: MakeFolder) -> None:
    folder = make_folder()
    content = bytearray((folder / "int8.tflite").read_bytes())
    content[-100] ^= 1
    (folder / "int8.tflite").write_bytes(content)

    with pytest.raises(ModelUnavailable, match=r"int8\.tflite has SHA-256") as caught:
        load(folder)

    assert len({caught.value.details["expected"], caught.value.details["actual"]}) == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_with_the_right_digest_that_is_no_network_is_refused(
    make_folder: MakeFolder, engine: str
) -> None:
    content = b"<html><body>404 Not Found</body></html>" * 10
    digest = hashlib.sha256(content).hexdigest()
    entry = {"name": "bad", "sha256": digest, "bytes": len(content)}
    folder = make_folder(files={"int8": entry, "tensorflow": entry})
    (folder / "bad").write_bytes(content)

    with pytest.raises(ModelUnavailable, match="is not a"):
        load(folder, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "changes",
    [
        {
            "input": {"size": 9, "standardization": "fixed"},
            "alignment": {"kind": "similarity", "size": 9},
        },
        {"embedding": {"dimension": DIMENSION + 1}},
    ],
    ids=["input-size", "dimension"],
)
def test_a_network_that_does_not_do_what_the_manifest_says_is_refused(
    make_folder: MakeFolder, changes: dict[str, Any], engine: str
) -> None:
    with pytest.raises(ModelUnavailable, match=r"int8\.tflite|tensorflow\.pb"):
        load(make_folder(frozen_graph=engine == "tensorflow", **changes), engine=engine)


def test_a_precision_that_the_folder_lacks_is_refused_and_the_others_listed(
    make_folder: MakeFolder,
) -> None:
    with pytest.raises(ModelUnavailable, match="no float32 file") as caught:
        load(make_folder(), precision="float32")

    assert caught.value.details["available"] == ["int8"]


def test_tensorflow_runs_frozen_graphs_alone(make_folder: MakeFolder) -> None:
    with pytest.raises(ModelUnavailable, match="toy has no frozen graph"):
        load(make_folder(), engine="tensorflow")
    with pytest.raises(ModelUnavailable, match="computes in float32, not int8"):
        load(make_folder(frozen_graph=True), engine="tensorflow", precision="int8")


def test_an_unknown_engine_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(ModelUnavailable, match="unknown engine 'onnx'"):
        load(make_folder(), engine="onnx")


@pytest.mark.parametrize("name", ["", "no-such-model", "/no/such/folder"])
def test_a_name_that_is_neither_model_nor_folder_is_refused(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="neither the id of a bundled model nor a folder"):
        load(name)


def test_every_bundled_model_loads_with_its_own_id() -> None:
    for name in bundled_models():
        assert load(name).id == name


def test_an_image_without_tensorflow_says_that_the_engine_needs_it(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "model_layer.engine_tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    with pytest.raises(ModelUnavailable, match="needs the tensorflow-cpu package"):
        load(make_folder(frozen_graph=True), engine="tensorflow")


def test_serving_imports_neither_tensorflow_nor_opencv_nor_boto3(make_folder: MakeFolder) -> None:
    """Cold start pays for every import."""
    code = (
        "import sys, numpy, model_layer;"
        f"model = model_layer.load({str(make_folder())!r});"
        "model.embed(numpy.zeros((1, model.input_size, model.input_size, 3), numpy.uint8));"
        "print([name for name in ('tensorflow', 'cv2', 'boto3', 'PIL') if name in sys.modules])"
    )

    root = Path(model_layer.__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )

    assert answer.stdout.strip() == "[]"


def test_everything_public_is_listed_and_there() -> None:
    assert sorted(model_layer.__all__) == model_layer.__all__
    assert all(hasattr(model_layer, name) for name in model_layer.__all__)
