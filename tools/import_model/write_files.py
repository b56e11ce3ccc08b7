"""The weight files of a model folder."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from model_layer.engine import Engine
from model_layer.engine_litert import LiteRTEngine
from model_layer.engine_tensorflow import FrozenGraphEngine
from model_layer.manifest import FileKind
from tools.import_model.convert import convert
from tools.import_model.freeze import serialized


def write_files(definition: Any, folder: Path, *, frozen_graph: bool) -> dict[FileKind, Path]:
    """float32, and the graph for the TensorFlow engine, under a progress bar.

    definition: the graph to serve, without training branches.
    """
    files: dict[FileKind, Path] = {}
    kinds: list[FileKind] = ["float32", *(("tensorflow",) if frozen_graph else ())]
    with tqdm(kinds, unit="file") as bar:
        for kind in bar:
            bar.set_description(f"writing {kind}")
            graph = kind == "tensorflow"
            content = serialized(definition) if graph else convert(definition, "float32")
            files[kind] = put(folder / (f"{kind}.pb" if graph else f"{kind}.tflite"), content)
    return files


def put(path: Path, content: bytes) -> Path:
    """Writes a file that appears in one step."""
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    return partial.replace(path)


def engine_of(path: Path) -> Engine:
    """What runs a file of the folder."""
    return FrozenGraphEngine(path) if path.suffix == ".pb" else LiteRTEngine(path)
