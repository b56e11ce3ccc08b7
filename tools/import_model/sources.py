"""What was given, as one graph to serve and one runtime to compare with."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.import_model import published, runtimes
from tools.import_model.build_graph import build_graph
from tools.import_model.canonical import canonical, canonical_network
from tools.import_model.errors import ImportFailed
from tools.import_model.fetch import fetch
from tools.import_model.fold import simplify_network
from tools.import_model.freeze import freeze
from tools.import_model.known_models import KnownModel, known_network
from tools.import_model.network import Network, scales_itself, standardized_input
from tools.import_model.read_graph import SourceGraph, TensorNames, read_graph
from tools.import_model.read_onnx import read_onnx
from tools.import_model.read_openvino import read_openvino

NETWORK_FILES = (".onnx", ".xml")


@dataclass(frozen=True)
class Source:
    """A model that was read.

    graph: from `input:0` to `embeddings:0`. size: side of a chip.
    known, name: of a network by its file; None for FaceNet, whose release is told otherwise.
    network: what can be equalized; None where only a graph is known.
    """

    graph: Any
    size: int
    runtime: runtimes.Runtime
    name: str | None = None
    known: KnownModel | None = None
    network: Network | None = None


def locate(options: argparse.Namespace, work: Path) -> tuple[str, Path]:
    """Where the weights came from, and the file or folder they are in here."""
    release = published.release_named(options.source)
    if not release:
        if options.offline:
            raise ImportFailed(
                f"--offline goes with a published name ({', '.join(published.NAMES)}), not with "
                f"{options.source}"
            )
        path = fetch(options.source, work, options.max_bytes)
        _fetch_numbers(options, path, work)
        return options.source, path
    if options.offline:
        path = fetch(str(options.offline), work, options.max_bytes)
        published.check_offline(release, path if path.is_file() else options.offline)
        return str(options.offline), path
    url, path = published.fetch_release(release, work, options.max_bytes)
    return url, fetch(str(path), work, options.max_bytes)


def _fetch_numbers(options: argparse.Namespace, path: Path, work: Path) -> None:
    """The .bin that belongs to a downloaded .xml."""
    if path.suffix == ".xml" and path.parent == work:
        fetch(options.source.removesuffix(".xml") + ".bin", work, options.max_bytes)


def open_source(options: argparse.Namespace, path: Path) -> Source:
    """Reads the file or folder. Raises ImportFailed for what cannot be imported."""
    file = _network_file(path)
    if file is not None:
        return _open_network(options, file)
    names = TensorNames(options.input_tensor, options.phase_tensor, options.output_tensor)
    frozen = freeze(read_graph(path, names), options.size, fixed_values(options.fix))
    size = _input_size(frozen)
    runtime = runtimes.of_graph(frozen)
    return Source(canonical(frozen, size, runtime.embed), size, runtime)


def _network_file(path: Path) -> Path | None:
    """The .onnx or .xml that is given, or the only one in a folder."""
    if not path.is_dir():
        return path if path.suffix in NETWORK_FILES else None
    found = [file for file in sorted(path.rglob("*")) if file.suffix in NETWORK_FILES]
    return found[0] if len(found) == 1 else None


def _open_network(options: argparse.Namespace, file: Path) -> Source:
    if options.standardization == "prewhiten":
        raise ImportFailed(
            "ONNX and OpenVINO networks are fed with --mean and --scale, not prewhiten"
        )
    network = read_onnx(file, options.size) if file.suffix == ".onnx" else read_openvino(file)
    if options.size not in (None, network.size):
        raise ImportFailed(f"the network takes {network.size} x {network.size} pixels, not --size")
    feeding = _feeding(options, network)
    name, known = known_network(file.stem, network.size)
    simple = simplify_network(standardized_input(network, feeding.mean, feeding.scale))
    graph = build_graph(simple)
    runtime = runtimes.of_network(file, graph, feeding)
    facenet = canonical_network(network, runtime.embed)
    if facenet is not None:
        return Source(facenet, network.size, runtime, name or file.stem, known)
    return Source(graph, network.size, runtime, name or file.stem, known, simple)


def _feeding(options: argparse.Namespace, network: Network) -> runtimes.Feeding:
    """--mean and --scale; else pixels for a network that scales them itself, and what insightface
    and FaceNet feed for one that does not."""
    itself = scales_itself(network)
    usual = (0.0, 1.0) if itself else (127.5, 1 / 128 if network.size == 160 else 1 / 127.5)
    mean = usual[0] if options.mean is None else options.mean
    return runtimes.Feeding((mean,) * 3, usual[1] if options.scale is None else options.scale)


def release_inside(options: argparse.Namespace, path: Path, source: Source) -> str | None:
    """The release that the weights are: by what they compute, whatever the file is called.

    Raises ImportFailed where the command or the file's name says one that they are not.
    """
    asked = published.release_named(options.source)
    if asked:
        side, runtime = published.REFERENCE_SIZE, source.runtime
        if source.size != side:  # whatever is served: the weights are known at the reference's
            graph = freeze(SourceGraph(source.graph, TensorNames()), side, {})
            runtime = runtimes.of_graph(graph)
        published.check_release(asked, runtime.embed, side, path)
        return asked.name
    for release in published.RELEASES.values():
        if published.is_release(release, source.runtime.embed, source.size):
            return release.name
    return None


def _input_size(definition: Any) -> int:
    placeholder = next(node for node in definition.node if node.name == "input")
    return int(placeholder.attr["shape"].shape.dim[1].size)


def fixed_values(entries: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` with the value in JSON. Raises ImportFailed for anything else."""
    values = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError as exc:
            raise ImportFailed(f"--fix {entry} is not NAME=VALUE with a JSON value") from exc
    return values
