"""The command line: options in, the steps one after the other, a parity table at the end."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

# Read by TensorFlow when it is imported, below. Both keep its start-up notes off the screen;
# without oneDNN it also computes the reference in one fixed order.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from tools.evaluate.dataset import open_pictures, read_pairs, require_measurable
from tools.import_model.arguments import parse_arguments
from tools.import_model.describe import ask_licence, describe, refuse_wrong_name
from tools.import_model.errors import ImportFailed
from tools.import_model.job import Import
from tools.import_model.sources import locate, open_source, release_inside


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 imported, 1 not imported or not equal to its source, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_arguments(words)
    try:
        return import_model(options, words)
    except ImportFailed as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command to start again", file=sys.stderr)
        return 130


def import_model(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Fetch, read, convert, check, describe, measure."""
    _check_pictures(options)
    _make_folder(options.out)
    work = options.out / ".download"
    address, path = locate(options, work)
    source = open_source(options, path)
    release = release_inside(options, path, source)
    if not release:
        refuse_wrong_name(options, path, source)
    described = describe(options, path, source.size, release, source)
    description = replace(described, licence=ask_licence(described.licence))
    job = Import(options, words, source, description, address, path)
    job.convert()
    job.write_manifest()
    if options.pairs:
        job.measure_pairs()
    else:
        job.say_unmeasured()
    shutil.rmtree(work, ignore_errors=True)
    print(f"Serve it with FACENET_MODEL={options.out}")
    return 0


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
    for name in ("faces", "calibration"):
        folder = getattr(options, name)
        if folder and not folder.is_dir():
            raise ImportFailed(f"--{name} {folder} is not a folder; give one with pictures")


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
