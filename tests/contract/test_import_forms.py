"""The real FaceNet in every form that people hold: one command each, and one contract for all."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from model_layer import load, normalise
from model_layer.engine_litert import LiteRTEngine
from tests.contract.facenet_files import torch_state, write_keras, write_torch
from tests.contract.facenet_graphs import TrainingGraph, training_graph
from tests.contract.network_files import facenet_network, write_onnx
from tools.import_model import facenet_names, inception_resnet_v1
from tools.import_model.arguments import parse_arguments
from tools.import_model.cli import main
from tools.import_model.convert import convert
from tools.import_model.errors import ImportFailed
from tools.import_model.fold import simplify_network
from tools.import_model.read_keras import read_keras
from tools.import_model.sources import open_source, release_inside

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:tensorflow.*"),
]
Arrays = dict[str, np.ndarray]
# First eight values of the embedding of `reference_input`, from ../shared/models/README.md.
REFERENCE = [0.023061, 0.006832, -0.059693, 0.043314, 0.000663, 0.082477, -0.061489, 0.050746]
RELEASE = "20180402-114759"


def reference_input() -> np.ndarray:
    pictures = np.linspace(-1, 1, 3 * 160 * 160).reshape(1, 3, 160, 160)
    return pictures.transpose(0, 2, 3, 1).astype(np.float32)


@pytest.fixture(scope="module")
def arrays(shared: Path) -> Arrays:
    with np.load(shared / "models" / f"facenet-{RELEASE}.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def trained(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """TensorFlow's three forms, from one training graph."""
    place = tmp_path_factory.mktemp("trained")
    with training_graph(arrays, inception_resnet_v1.embed, 160) as graph:
        written = write_trained(graph, place)
    yield written
    shutil.rmtree(place)


def write_trained(graph: TrainingGraph, place: Path) -> dict[str, Path]:
    return {
        "frozen graph": graph.write_frozen(place / "any.pb"),
        "checkpoint": graph.write_checkpoint(place / "checkpoint", "any"),
        "SavedModel": graph.write_saved_model(place / "saved"),
    }


WRITERS: dict[str, Callable[[Path, Arrays], Path]] = {
    "Keras weights": lambda place, arrays: write_keras(place / "any.h5", arrays, whole=False),
    "Keras model": lambda place, arrays: write_keras(place / "any.h5", arrays, whole=True),
    "PyTorch": lambda place, arrays: write_torch(place / "x.pt", torch_state(arrays), old=False),
    "PyTorch, old": lambda place, arrays: write_torch(
        place / "x.pt", torch_state(arrays), old=True
    ),
    "ONNX": lambda place, arrays: write_onnx(place / "any.onnx", facenet_network(arrays)),
}
# Everything of these is done, and so of the .npz by the fixture `facenet`. The others are read,
# compared and described, but a graph that was converted is not converted again.
WHOLE = ("checkpoint", "PyTorch")
FORMS = ("frozen graph", "checkpoint", "SavedModel", *WRITERS)


@pytest.mark.shared
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_real_weights_has_one_contract(
    form: str, facenet: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The files say nothing of their release: it is known by what it computes."""
    if form in WRITERS:
        source = WRITERS[form](tmp_path, request.getfixturevalue("arrays"))
    else:
        source = request.getfixturevalue("trained")[form]
    if form not in WHOLE:
        request.getfixturevalue("convert_once")

    assert main([str(source), "--out", str(tmp_path / "out")]) == 0

    assert contracts(tmp_path / "out") == contracts(facenet)
    shutil.rmtree(tmp_path)


def contracts(folder: Path) -> set[str]:
    """Of every file, each of which is loaded and so answers the check chip as the manifest says."""
    loaded = [load(folder, precision=kind) for kind in ("float32", "int8")]
    found = normalise(loaded[0].engine.embed(reference_input()))
    np.testing.assert_allclose(found[0, :8], REFERENCE, atol=1e-5)
    return {model.contract() for model in (*loaded, load(folder, engine="tensorflow"))}


@pytest.mark.shared
def test_the_real_weights_are_described_as_they_were_measured(facenet: Path) -> None:
    manifest = load(facenet).manifest

    assert (manifest.id, manifest.embedding.dimension) == (RELEASE, 512)
    assert type(manifest.alignment).__name__ == "BoxAlignment"
    assert manifest.provenance["parity"]["int8"]["min_cosine"] > 0.995
    assert manifest.thresholds.threshold_at(1e-3) == manifest.threshold


@pytest.mark.shared
def test_onnx_with_folded_batch_norm_has_the_function_but_not_the_contract(
    arrays: Arrays, facenet: Path, tmp_path: Path
) -> None:
    """What exporters do by default. Folding rounds, so the weights are others."""
    path = write_onnx(tmp_path / "any.onnx", simplify_network(facenet_network(arrays)))
    options = parse_arguments([str(path), "--out", str(tmp_path)])

    source = open_source(options, path)
    served = tmp_path / "float32.tflite"
    served.write_bytes(convert(source.graph, "float32"))

    assert release_inside(options, path, source) == RELEASE
    engines = (LiteRTEngine(served), load(facenet, precision="float32").engine)
    found, expected = (normalise(engine.embed(reference_input())) for engine in engines)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert served.read_bytes() != (facenet / "float32.tflite").read_bytes()


def test_a_batch_norm_trained_on_in_pytorch_keeps_its_function() -> None:
    rng = np.random.default_rng(0)
    state = {
        "last_linear.weight": rng.normal(size=(4, 6)).astype(np.float32),
        "last_bn.weight": np.array([2, 0.5, -1, 1], np.float32),
        "last_bn.bias": rng.normal(size=4).astype(np.float32),
        "last_bn.running_mean": rng.normal(size=4).astype(np.float32),
        "last_bn.running_var": rng.uniform(1, 2, 4).astype(np.float32),
    }
    x = rng.normal(size=(3, 6)).astype(np.float32)
    spread = np.sqrt(state["last_bn.running_var"] + 1e-3)
    centred = x @ state["last_linear.weight"].T - state["last_bn.running_mean"]
    expected = state["last_bn.weight"] * centred / spread + state["last_bn.bias"]

    ours = facenet_names.from_torch(state)

    y = x @ ours["Bottleneck_kernel"] - ours["Bottleneck_BatchNorm_moving_mean"]
    found = y / spread + ours["Bottleneck_BatchNorm_beta"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_state_dictionary_of_another_network_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_torch(tmp_path / "x.pt", {"fc.weight": np.zeros((2, 2), np.float32)}, old=False)

    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "export another network as ONNX" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_keras_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = write_keras(tmp_path / "x.h5", {"a_kernel": np.ones((64, 64), np.float32)}, whole=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(ImportFailed, match="damaged or no HDF5"):
        read_keras(path)


def test_a_keras_file_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a/a/kernel:0", (1 << 14, 1 << 14), "f4", compression="gzip")

    with pytest.raises(ImportFailed, match="compressed or empty"):
        read_keras(tmp_path / "x.h5")


def test_a_keras_file_of_another_network_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_keras(tmp_path / "x.h5", {"a_kernel": np.ones((3, 3), np.float32)}, whole=False)

    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "must hold Inception-ResNet-v1" in capsys.readouterr().err
