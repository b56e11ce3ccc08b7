"""The command line: options in, the steps one after the other, a parity table at the end."""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Read by TensorFlow when it is imported, below. Both keep its start-up notes off the screen;
# without oneDNN it also computes the reference in one fixed order.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from tqdm import tqdm

from model_layer.distance import normalise
from model_layer.engine import Engine
from model_layer.engine_litert import LiteRTEngine
from model_layer.engine_tensorflow import FrozenGraphEngine
from model_layer.manifest import MANIFEST_NAME, BoxAlignment, FileKind, SimilarityAlignment
from model_layer.standardize import check_chip, standardize
from tools.evaluate.dataset import open_pictures, read_pairs, require_measurable
from tools.import_model import check_parity, published
from tools.import_model.arguments import parse_arguments
from tools.import_model.calibrate import calibrate
from tools.import_model.canonical import canonical
from tools.import_model.convert import PRECISIONS, convert
from tools.import_model.errors import ImportFailed
from tools.import_model.fetch import fetch
from tools.import_model.freeze import freeze, serialized, simplify
from tools.import_model.known_models import KnownModel, recognise
from tools.import_model.read_graph import TensorNames, read_graph
from tools.import_model.write_manifest import Description, provenance, public_name, write_manifest

# How much of an embedding a manifest keeps of the check chip, and how exactly.
CHECK_VALUES, CHECK_DECIMALS = 16, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 imported, 1 not imported or not equal to TensorFlow, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_arguments(words)
    try:
        return import_model(options, words)
    except ImportFailed as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted; run the same command to start again",
            file=sys.stderr,
        )
        return 130


def import_model(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Fetch, read, freeze, convert, check, describe."""
    _check_pictures(options)
    _make_folder(options.out)
    work = options.out / ".download"
    source, path = locate(options, work)
    names = TensorNames(options.input_tensor, options.phase_tensor, options.output_tensor)
    original = freeze(read_graph(path, names), options.size, _fixed_values(options.fix))
    size = _input_size(original)
    description = describe(options, path, size, _release_inside(options, path, original, size))
    chips = check_parity.read_chips(options.faces or check_parity.PICTURES, description.alignment)
    served = canonical(original, size)
    files = write_files(served, options.out, frozen_graph=not options.no_frozen_graph)
    rows, dimension = check(original, files, chips, description)
    print(check_parity.table(rows, chips.description))
    _refuse_deviation(options.out, rows)
    facts = provenance(source, path, words, chips, rows, options.origin)
    answers = answers_to_check_chip(files, description)
    write_manifest(options.out, description, files, dimension, facts, answers)
    shutil.rmtree(work, ignore_errors=True)
    if options.pairs:
        calibrate(options.out, options.pairs, options.images)
    print(f"Serve it with FACENET_MODEL={options.out}")
    return 0


def locate(options: argparse.Namespace, work: Path) -> tuple[str, Path]:
    """Where the weights came from, and the file or folder they are in here."""
    release = published.release_named(options.source)
    if not release:
        if options.offline:
            raise ImportFailed(
                f"--offline goes with a published name ({', '.join(published.NAMES)}), not with "
                f"{options.source}"
            )
        return options.source, fetch(options.source, work, options.max_bytes)
    if options.offline:
        path = fetch(str(options.offline), work, options.max_bytes)
        published.check_offline(release, options.offline)
        return str(options.offline), path
    url, path = published.fetch_release(release, work, options.max_bytes)
    return url, fetch(str(path), work, options.max_bytes)


def _release_inside(
    options: argparse.Namespace, path: Path, original: Any, size: int
) -> str | None:
    """The release that the weights are: by what they compute, whatever the file is called.

    Raises ImportFailed where the command or the file's name says one that they are not.
    """
    asked = published.release_named(options.source)
    if asked:
        published.check_release(asked, original, size, path)
        return asked.name
    for release in published.RELEASES.values():
        if published.is_release(release, original, size):
            return release.name
    claimed, _ = recognise(*_names_of(options, path))
    if claimed and claimed != options.id:
        published.check_release(published.RELEASES[claimed], original, size, path)
    return None


def _names_of(options: argparse.Namespace, path: Path) -> list[str]:
    """Names by which weights may be known, the user's own first."""
    inside = [entry.name for entry in sorted(path.iterdir())] if path.is_dir() else []
    return [options.id or "", _source_name(options), path.name, *inside]


def _source_name(options: argparse.Namespace) -> str:
    return public_name(options.source.rstrip("/")).rsplit("/", 1)[-1]


def _check_pictures(options: argparse.Namespace) -> None:
    if options.pairs and not options.images:
        raise ImportFailed("--pairs needs --images: the zip or folder that holds its pictures")
    if options.images and not options.pairs:
        raise ImportFailed("--images needs --pairs: the CSV that says which pictures to compare")
    for path in filter(None, (options.pairs, options.images)):
        if not path.exists():
            raise ImportFailed(f"{path} does not exist")
    if options.pairs:
        _check_pairs(options.pairs, options.images)
    if options.faces and not options.faces.is_dir():
        raise ImportFailed(f"--faces {options.faces} is not a folder; give one with pictures")


def _check_pairs(path: Path, images: Path) -> None:
    """Exits where the calibration, minutes later, would: on the pairs and on every picture."""
    try:
        pairs = read_pairs(path)
    except OSError as exc:
        raise ImportFailed(str(exc)) from exc
    require_measurable(pairs)
    pictures = open_pictures(images)
    for name in pairs.names:
        pictures.read(name)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ImportFailed(f"--out {path} cannot be a folder ({exc.strerror})") from exc


def _refuse_deviation(folder: Path, rows: Sequence[check_parity.Parity]) -> None:
    """A folder without manifest cannot be served, not even if an older import left one."""
    wrong = check_parity.deviating(rows)
    if not wrong:
        return
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    raise ImportFailed(
        f"{', '.join(wrong)}: not equal to TensorFlow (float32 to "
        f"{check_parity.FLOAT32_TOLERANCE:g}, every file to a cosine of "
        f"{check_parity.LOWEST_COSINE:g}); the folder has no manifest and will not load. "
        "Please report the model"
    )


def describe(
    options: argparse.Namespace, path: Path, size: int, inside: str | None = None
) -> Description:
    """What the options say, else what is known of the weights: of the release that is `inside`, or
    else by their name."""
    release, known = recognise(inside or "", *_names_of(options, path))
    margin = known.margin if options.margin is None else options.margin
    alignment: BoxAlignment | SimilarityAlignment = BoxAlignment(size=size, margin=margin)
    if options.alignment == "similarity":
        alignment = SimilarityAlignment(size=size)
    standardization = options.standardization or known.standardization
    other = _other_choices(known, standardization, alignment, options.colour_order)
    name = release or re.sub(r"\.\w{2,4}$", "", _source_name(options))
    return Description(
        id=options.id or "-".join([name, *(other if release else ())]),
        known=known.unmeasured() if other else known,
        licence=options.licence or known.licence,
        standardization=standardization,
        alignment=alignment,
        colour_order=options.colour_order,
    )


def _other_choices(
    known: KnownModel,
    standardization: str,
    alignment: BoxAlignment | SimilarityAlignment,
    colour_order: str,
) -> list[str]:
    """What makes other embeddings than the known ones, in words that an id can carry."""
    words = {
        standardization: standardization != known.standardization,
        "similarity": alignment.margin is None,
        f"margin{alignment.margin}": alignment.margin not in (None, known.margin),
        f"size{alignment.size}": alignment.size != known.size,
        colour_order.lower(): colour_order != "RGB",
    }
    return [word for word, differs in words.items() if differs]


def write_files(original: Any, folder: Path, *, frozen_graph: bool) -> dict[FileKind, Path]:
    """All weight files, under a progress bar; a file appears in one step."""
    simple = simplify(original)
    files: dict[FileKind, Path] = {}
    kinds: list[FileKind] = [*PRECISIONS]
    if frozen_graph:
        kinds.append("tensorflow")
    with tqdm(kinds, unit="file") as bar:
        for kind in bar:
            bar.set_description(f"writing {kind}")
            content = serialized(simple) if kind == "tensorflow" else convert(simple, kind)
            files[kind] = _write(
                folder / (f"{kind}.pb" if kind == "tensorflow" else f"{kind}.tflite"), content
            )
    return files


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    return partial.replace(path)


def check(
    original: Any, files: dict[FileKind, Path], chips: check_parity.Chips, description: Description
) -> tuple[list[check_parity.Parity], int]:
    """One row per file, and the dimension of an embedding."""
    pixels = check_parity.standardized(
        chips, description.standardization, description.colour_order == "BGR"
    )
    expected = check_parity.reference(original, pixels)
    rows = [
        check_parity.compare(kind, path, _engine(path), pixels, expected)
        for kind, path in files.items()
    ]
    return rows, int(expected.shape[1])


def answers_to_check_chip(
    files: Mapping[FileKind, Path], description: Description
) -> dict[FileKind, list[float]]:
    """The first numbers of each file's unit embedding, which a start compares with its own."""
    chip = check_chip(description.alignment.size)[None]
    ordered = chip[..., ::-1] if description.colour_order == "BGR" else chip
    pixels = standardize(ordered, description.standardization)
    return {
        kind: [
            round(float(number), CHECK_DECIMALS)
            for number in normalise(_engine(path).embed(pixels))[0, :CHECK_VALUES]
        ]
        for kind, path in files.items()
    }


def _engine(path: Path) -> Engine:
    return FrozenGraphEngine(path) if path.suffix == ".pb" else LiteRTEngine(path)


def _input_size(definition: Any) -> int:
    placeholder = next(node for node in definition.node if node.name == "input")
    return int(placeholder.attr["shape"].shape.dim[1].size)


def _fixed_values(entries: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` with the value in JSON. Raises ImportFailed for anything else."""
    values = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError as exc:
            raise ImportFailed(f"--fix {entry} is not NAME=VALUE with a JSON value") from exc
    return values
