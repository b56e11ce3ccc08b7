"""The manifest of an imported model."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec
import tensorflow as tf

from model_layer.files import sha256_of
from model_layer.manifest import (
    FORMAT,
    MANIFEST_NAME,
    BoxAlignment,
    FileKind,
    Manifest,
    SimilarityAlignment,
    Standardization,
)
from tools.import_model.check_parity import Chips, Parity
from tools.import_model.errors import ImportFailed
from tools.import_model.known_models import KnownModel

PATH_OPTIONS = {"--out", "--faces", "--pairs", "--images"}
PATH_OPTIONS |= {"--offline", "--calibration"}


@dataclass(frozen=True)
class Description:
    """What the user, or the name of the weights, says about a model."""

    id: str
    known: KnownModel
    licence: str
    standardization: Standardization
    alignment: BoxAlignment | SimilarityAlignment
    colour_order: str = "RGB"


def write_manifest(
    folder: Path,
    description: Description,
    files: Mapping[FileKind, Path],
    dimension: int,
    provenance: Mapping[str, Any],
    check: Mapping[FileKind, Sequence[float]],
) -> Manifest:
    """Writes `folder`/manifest.json. Raises ImportFailed for one that would not load.

    `check`: what each file answers to `model_layer.check_chip`, see `Manifest`.
    """
    known = description.known
    content = {
        "format": FORMAT,
        "id": description.id,
        "files": {kind: _file_entry(path) for kind, path in files.items()},
        "default_precision": "int8" if "int8" in files else "float32",
        "input": {
            "size": description.alignment.size,
            "colour_order": description.colour_order,
            "standardization": description.standardization,
        },
        "alignment": _alignment_entry(description.alignment),
        "embedding": {"dimension": dimension, "metric": "l2"},
        "thresholds": known.thresholds,
        "calibration": known.calibration,
        "licence": description.licence,
        "provenance": dict(provenance),
        "accuracy": list(known.accuracy),
        "check": {kind: list(numbers) for kind, numbers in check.items()},
    }
    try:
        return save(folder, content)
    except msgspec.DecodeError as exc:
        raise ImportFailed(f"the model cannot be described: {exc}") from exc


def save(folder: Path, content: Mapping[str, Any]) -> Manifest:
    """Replaces the manifest in one step, so that nobody reads half of it.

    Raises msgspec.DecodeError, with the old one in place, for one that would not load.
    """
    text = json.dumps(content, indent=2) + "\n"
    manifest = msgspec.json.decode(text, type=Manifest)
    partial = folder / f".{MANIFEST_NAME}"
    partial.write_text(text)
    partial.replace(folder / MANIFEST_NAME)
    return manifest


def provenance(
    source: str,
    path: Path,
    arguments: Sequence[str],
    chips: Chips,
    rows: Sequence[Parity],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where the weights came from and how; no path of this machine, no secret in a URL."""
    return {
        "source": public_name(source),
        **({"sha256": sha256_of(path)} if path.is_file() else {}),
        "command": shlex.join(
            ["python", "-m", "tools.import_model", *_public_words(source, arguments)]
        ),
        "tensorflow": tf.__version__,
        **{name: value for name, value in (more or {}).items() if value},
        "parity": {
            "chips": chips.description,
            **{
                row.name: {"max_difference": row.max_difference, "min_cosine": row.min_cosine}
                for row in rows
            },
        },
    }


def _public_words(source: str, arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, with `public_name` in place of the source and of every path."""
    for before, word in pairwise(["", *arguments]):
        option, equals, value = word.partition("=")
        if word == source or before in PATH_OPTIONS:
            yield public_name(word)
        elif equals and option in PATH_OPTIONS:
            yield f"{option}={public_name(value)}"
        else:
            yield word


def public_name(source: str) -> str:
    """An S3 address as it is, a URL without its query, or the last part of a local path."""
    parts = urlsplit(source)
    if parts.scheme == "s3":
        return source
    if parts.scheme == "https":
        return f"https://{parts.hostname}{parts.path}"
    return PurePosixPath(source).name or source


def _file_entry(path: Path) -> dict[str, Any]:
    return {"name": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}


def _alignment_entry(alignment: BoxAlignment | SimilarityAlignment) -> dict[str, Any]:
    if isinstance(alignment, BoxAlignment):
        return {"kind": "box", "margin": alignment.margin, "size": alignment.size}
    entry: dict[str, Any] = {"kind": "similarity", "size": alignment.size}
    return entry if alignment.template is None else entry | {"template": alignment.template}
