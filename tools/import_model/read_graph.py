"""The forms of FaceNet, one graph: TensorFlow's three, Keras' `.h5`, PyTorch's `.pt`, `.npz`.

Nothing here runs code from the source: no pickle, no Python of the model's author.
"""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tools.import_model import facenet_names, inception_resnet_v1
from tools.import_model.errors import ImportFailed
from tools.import_model.read_keras import read_keras
from tools.import_model.read_torch import read_state

# Inception-ResNet-v1 has 94 MB of them.
LARGEST_ARRAYS = 1 << 30


@dataclass(frozen=True)
class TensorNames:
    """Where the network begins and ends; `phase_train` may be absent from the graph."""

    images: str = "input:0"
    phase_train: str = "phase_train:0"
    embeddings: str = "embeddings:0"


@dataclass(frozen=True)
class SourceGraph:
    """A graph as it was found. `variables` reads the value of a variable by name."""

    definition: Any
    names: TensorNames
    variables: Callable[[str], Any] | None = None


def read_graph(path: Path, names: TensorNames) -> SourceGraph:
    """Reads a file or folder in whichever form it has.

    Raises ImportFailed where it has none of them, or is damaged.
    """
    try:
        if path.is_dir():
            return _read_folder(path, names)
        if path.suffix in READERS:
            return SourceGraph(_read_arrays(path), TensorNames())
        if path.suffix == ".meta":
            return _read_checkpoint(path, names)
        return SourceGraph(_read_frozen(path), names)
    except DecodeError as exc:
        raise ImportFailed(f"{path.name} is damaged or no TensorFlow graph ({exc})") from exc


def _read_folder(folder: Path, names: TensorNames) -> SourceGraph:
    """The first form found, going down the tree: archives often hold one folder."""
    readers: dict[str, Callable[[Path], SourceGraph]] = {
        "saved_model.pb": lambda path: _read_saved_model(path.parent, names),
        "*.meta": lambda path: _read_checkpoint(path, names),
        "*.pb": lambda path: SourceGraph(_read_frozen(path), names),
        **{
            f"*{suffix}": lambda path: SourceGraph(_read_arrays(path), TensorNames())
            for suffix in READERS
        },
    }
    for pattern, read in readers.items():
        found = sorted(path for path in folder.rglob(pattern) if not _is_resource_fork(path))
        if len(found) > 1:
            listed = ", ".join(str(path.relative_to(folder)) for path in found)
            raise ImportFailed(f"more than one model in the folder ({listed}); name one of them")
        if found:
            return read(found[0])
    raise ImportFailed(
        f"{folder.name} holds no saved_model.pb, .meta, .pb, {', '.join(READERS)}; give the folder "
        "that does"
    )


def _is_resource_fork(path: Path) -> bool:
    """Whether macOS made the file beside a real one: its zips hold `__MACOSX/._NAME` for NAME."""
    return path.name.startswith("._")


def _read_frozen(path: Path) -> Any:
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    return definition


def _read_arrays(path: Path) -> Any:
    """Inception-ResNet-v1 around named arrays."""
    arrays = READERS[path.suffix](path)
    try:
        return inception_resnet_v1.graph_of(arrays)
    except KeyError as exc:
        raise ImportFailed(
            f"{path.name} lacks the array {exc}; it must hold Inception-ResNet-v1"
        ) from exc
    except ValueError as exc:
        raise ImportFailed(f"{path.name} does not fit Inception-ResNet-v1: {exc}") from exc


def _read_npz(path: Path) -> dict[str, facenet_names.Array]:
    try:
        with zipfile.ZipFile(path) as members:
            if sum(info.file_size for info in members.infolist()) > LARGEST_ARRAYS:
                raise ImportFailed(f"{path.name} unpacks to more than {LARGEST_ARRAYS} bytes")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as exc:
        raise ImportFailed(f"{path.name} is not an .npz of plain arrays ({exc})") from exc


READERS: dict[str, Callable[[Path], dict[str, facenet_names.Array]]] = {
    ".npz": _read_npz,
    ".h5": read_keras,
    ".hdf5": read_keras,
    ".pt": lambda path: facenet_names.from_torch(read_state(path)),
    ".pth": lambda path: facenet_names.from_torch(read_state(path)),
}


def _read_checkpoint(meta: Path, names: TensorNames) -> SourceGraph:
    graph = meta_graph_pb2.MetaGraphDef()
    graph.ParseFromString(meta.read_bytes())
    return SourceGraph(graph.graph_def, names, _variable_reader(_find_checkpoint(meta)))


def _find_checkpoint(meta: Path) -> Path:
    """The prefix of the newest checkpoint (the highest step) that belongs to the .meta.

    Where none is named after it, the checkpoints beside it must at least be of one training.
    """
    prefixes = _checkpoint_prefixes(meta.parent)
    if not prefixes:
        raise ImportFailed("there is a .meta but no .ckpt-* beside it; put both in one folder")
    named_after = re.compile(re.escape(meta.stem) + r"(\.ckpt)?(-\d+)?")
    own = {prefix for prefix in prefixes if named_after.fullmatch(prefix)}
    if not own and len({prefix.split(".ckpt")[0] for prefix in prefixes}) > 1:
        raise ImportFailed(
            f"no checkpoint is named after {meta.name} and several are beside it "
            f"({', '.join(sorted(prefixes))}); leave the one that belongs to it"
        )
    return meta.parent / max(own or prefixes, key=_training_step)


def _checkpoint_prefixes(folder: Path) -> set[str]:
    """Names of the checkpoints in a folder, in format V2 or V1."""
    return {
        re.sub(r"\.(index|data-\d+-of-\d+)$", "", path.name)
        for path in folder.iterdir()
        if ".ckpt" in path.name and path.suffix != ".meta" and not _is_resource_fork(path)
    }


def _training_step(prefix: str) -> int:
    step = re.search(r"\.ckpt-(\d+)$", prefix)
    return int(step.group(1)) if step else -1


def _variable_reader(prefix: Path) -> Callable[[str], Any]:
    try:
        reader = tf.train.load_checkpoint(str(prefix))
    except (tf.errors.OpError, ValueError) as exc:
        raise ImportFailed(f"checkpoint {prefix.name} cannot be read; copy it again") from exc

    def read(name: str) -> Any:
        try:
            return reader.get_tensor(name)
        except (tf.errors.OpError, ValueError) as exc:
            raise ImportFailed(
                f"checkpoint {prefix.name} has no usable variable {name}; is it this graph's?"
            ) from exc

    return read


def _read_saved_model(folder: Path, names: TensorNames) -> SourceGraph:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    graphs = [graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags]
    if not graphs:
        raise ImportFailed("the SavedModel has no graph with the tag 'serve'; export it again")
    if graphs[0].HasField("object_graph_def"):
        return _read_functions(folder, names)
    prefix = folder / "variables" / "variables"
    return SourceGraph(graphs[0].graph_def, names, _variable_reader(prefix))


def _read_functions(folder: Path, names: TensorNames) -> SourceGraph:
    """A TensorFlow 2 SavedModel: its signature `serving_default`, variables made constant."""
    loaded = tf.saved_model.load(str(folder))  # owns the variables until they are constant
    signatures = loaded.signatures
    if "serving_default" not in signatures:
        raise ImportFailed("the SavedModel has no signature serving_default; export it with one")
    frozen = convert_variables_to_constants_v2(signatures["serving_default"])
    pictures = [tensor for tensor in frozen.inputs if tensor.dtype == tf.float32]
    flags = [tensor for tensor in frozen.inputs if tensor.dtype == tf.bool]
    if len(pictures) != 1 or len(flags) > 1 or len(frozen.outputs) != 1:
        raise ImportFailed(
            "serving_default must take one float32 input and give one output; export it so"
        )
    names = replace(names, images=pictures[0].name, embeddings=frozen.outputs[0].name)
    if flags:
        names = replace(names, phase_train=flags[0].name)
    return SourceGraph(frozen.graph.as_graph_def(), names)
