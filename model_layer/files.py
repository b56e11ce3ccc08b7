"""Finds model folders and checks the digest of every file before it is used."""

import hashlib
from pathlib import Path

from model_layer.errors import ModelUnavailable
from model_layer.manifest import MANIFEST_NAME, WeightFile

MODELS = Path(__file__).resolve().parent / "models"
# The folder of the model that comes with the project.
BUNDLED = MODELS / "facenet-mobile-128"


def bundled_models() -> list[str]:
    """Ids of the models that come with the package, sorted."""
    return sorted(manifest.parent.name for manifest in MODELS.glob(f"*/{MANIFEST_NAME}"))


def find_model(name_or_folder: str | Path) -> Path:
    """The folder of a bundled model id, or the folder itself.

    Raises ModelUnavailable listing the bundled ids where it is neither.
    """
    name = str(name_or_folder)
    if name in bundled_models():
        return MODELS / name
    folder = Path(name)
    if name and folder.is_dir():
        return folder
    raise ModelUnavailable(
        f"{name!r} is neither the id of a bundled model nor a folder", bundled=bundled_models()
    )


def verify_file(folder: Path, entry: WeightFile) -> Path:
    """The path of a weight file whose size and SHA-256 are those of the manifest.

    The file is streamed, not read whole. Raises ModelUnavailable with the file's name and the
    expected and actual size or digest.
    """
    path = folder / entry.name
    try:
        _check_size(path, entry)
        _check_digest(path, entry)
    except OSError as exc:
        raise ModelUnavailable(f"model file {entry.name} cannot be read", file=entry.name) from exc
    return path


def _check_size(path: Path, entry: WeightFile) -> None:
    actual = path.stat().st_size
    if actual != entry.bytes:
        raise ModelUnavailable(
            f"model file {entry.name} has {actual} bytes, but the manifest says {entry.bytes}",
            file=entry.name,
            expected=entry.bytes,
            actual=actual,
        )


def _check_digest(path: Path, entry: WeightFile) -> None:
    actual = sha256_of(path)
    if actual != entry.sha256:
        raise ModelUnavailable(
            f"model file {entry.name} has SHA-256 {actual}, but the manifest says {entry.sha256}",
            file=entry.name,
            expected=entry.sha256,
            actual=actual,
        )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
