"""The real FaceNet in every form that people hold: one command each, and one contract for all."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from model_layer import load, normalise
from tests.contract.facenet_files import torch_state, write_keras, write_torch
from tests.contract.facenet_graphs import training_graph
from tests.contract.test_import_model import REFERENCE, reference_input
from tools.import_model import facenet_names, inception_resnet_v1
from tools.import_model.cli import main
from tools.import_model.errors import ImportFailed
from tools.import_model.read_keras import read_keras

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:tensorflow.*"),
]
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays(shared: Path) -> Arrays:
    with np.load(shared / "models" / "facenet-20180402-114759.npz") as archive:
        return {name: archive[name] for name in archive.files}


def graph_form(method: str, name: str) -> Callable[[Path, Arrays], Path]:
    def write(place: Path, arrays: Arrays) -> Path:
        with training_graph(arrays, inception_resnet_v1.embed, 160) as graph:
            if method == "write_checkpoint":
                return graph.write_checkpoint(place / name, "any")
            return Path(getattr(graph, method)(place / name))

    return write


FORMS: dict[str, Callable[[Path, Arrays], Path]] = {
    "frozen graph": graph_form("write_frozen", "any.pb"),
    "checkpoint": graph_form("write_checkpoint", "any"),
    "SavedModel": graph_form("write_saved_model", "any"),
    "Keras weights": lambda place, arrays: write_keras(place / "any.h5", arrays, whole=False),
    "Keras model": lambda place, arrays: write_keras(place / "any.h5", arrays, whole=True),
    "PyTorch": lambda place, arrays: write_torch(place / "x.pt", torch_state(arrays), old=False),
    "PyTorch, old": lambda place, arrays: write_torch(
        place / "x.pt", torch_state(arrays), old=True
    ),
}


@pytest.fixture(scope="module")
def contract_of_arrays(
    arrays: Arrays, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[set[str]]:
    """The contracts of both precisions of the .npz."""
    place = tmp_path_factory.mktemp("npz")
    np.savez(place / "any.npz", **arrays)
    yield import_and_contract(place / "any.npz", place / "out")
    shutil.rmtree(place)


def import_and_contract(path: Path, out: Path) -> set[str]:
    assert main([str(path), "--out", str(out)]) == 0
    found = normalise(load(out, precision="float32").engine.embed(reference_input()))
    np.testing.assert_allclose(found[0, :8], REFERENCE, atol=1e-5)
    graph = load(out, engine="tensorflow")
    return {load(out, precision=kind).contract() for kind in ("float32", "int8")} | {
        graph.contract()
    }


@pytest.mark.shared
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_real_weights_has_one_contract(
    form: str, arrays: Arrays, contract_of_arrays: set[str], tmp_path: Path
) -> None:
    """The files say nothing of their release: it is known by what it computes."""
    contracts = import_and_contract(FORMS[form](tmp_path, arrays), tmp_path / "out")

    assert contracts == contract_of_arrays
    assert {contract.partition("@")[0] for contract in contracts} == {"20180402-114759"}
    shutil.rmtree(tmp_path)


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
