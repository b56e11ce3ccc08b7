"""manifest.json: everything about a model that code must not guess.

The file is validated as a whole when it is read: a field of the wrong type, an unknown kind of
alignment or a missing digest is an error at load, not at the first request.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from model_layer.errors import ModelUnavailable
from model_layer.refusal import Refusal
from model_layer.thresholds import Thresholds

MANIFEST_NAME = "manifest.json"
FORMAT = 2

Positive = Annotated[int, Meta(gt=0)]
Point = tuple[float, float]
FileKind = Literal["int8", "float32", "tensorflow"]
Precision = Literal["int8", "float32"]
Standardization = Literal["fixed", "prewhiten"]


class WeightFile(Struct, frozen=True, kw_only=True):
    """One file of weights beside the manifest; `name` is a bare file name, never a path."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: Positive


class InputFormat(Struct, frozen=True, kw_only=True):
    """The network's input: square chips of `size` pixels, in this channel order and scaling."""

    size: Positive
    standardization: Standardization
    colour_order: Literal["RGB", "BGR"] = "RGB"


class BoxAlignment(Struct, frozen=True, kw_only=True, tag_field="kind", tag="box"):
    """Crop the detector's box, widened by `margin` picture pixels, half on each side."""

    size: Positive
    margin: Annotated[int, Meta(ge=0)]
    template: ClassVar[None] = None


class SimilarityAlignment(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="similarity"
):
    """Turn, scale and shift the five landmarks onto the template of a `size`-pixel chip.

    template: five (x, y) in pixel centres of the chip, eyes, nose, mouth corners, each pair from
    left to right; None for the customary 112-pixel template, scaled to `size`.
    """

    size: Positive
    template: Annotated[tuple[Point, ...], Meta(min_length=5, max_length=5)] | None = None
    margin: ClassVar[None] = None


class EmbeddingFormat(Struct, frozen=True, kw_only=True):
    """The network's output. `mean`, if present, is subtracted from unit vectors before
    comparing."""

    dimension: Positive
    metric: Literal["l2"] = "l2"
    mean: tuple[float, ...] | None = None


class Calibration(Struct, frozen=True, kw_only=True):
    """Logistic map: similarity = 1 / (1 + exp(slope * distance - intercept)), for even odds."""

    slope: Annotated[float, Meta(gt=0)]
    intercept: float
    protocol: str


class Manifest(Struct, frozen=True, kw_only=True):
    """A model, described. Build one with `read_manifest`.

    calibration: None where no pairs were measured; then there is no similarity.
    refusal: which faces the model cannot tell apart; None where that was not measured.
    check: by weight file, the first numbers of the unit embedding of `check_chip`.
    """

    format: Literal[2]
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    files: dict[FileKind, WeightFile]
    default_precision: Precision
    input: InputFormat
    alignment: BoxAlignment | SimilarityAlignment
    embedding: EmbeddingFormat
    thresholds: Thresholds
    calibration: Calibration | None = None
    refusal: Refusal | None = None
    licence: str
    provenance: dict[str, Any] = {}
    accuracy: list[dict[str, Any]] = []
    check: dict[FileKind, Annotated[tuple[float, ...], Meta(min_length=8)]] = {}

    def __post_init__(self) -> None:
        problem = next(_contradictions(self), None)
        if problem:
            raise ValueError(problem)

    @property
    def threshold(self) -> float:
        """The default decision threshold: an L2 distance, 0..2."""
        return self.thresholds.default

    @property
    def far(self) -> float | None:
        """The false-accept rate that the default threshold was measured at, if any."""
        return self.thresholds.default_far

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions that this folder has LiteRT files for."""
        return tuple(kind for kind in get_args(Precision) if kind in self.files)

    def similarity(self, distance: float) -> float | None:
        """Calibrated probability (0..1), for even odds, that faces `distance` apart are one person.

        None where the model has no calibration.
        """
        fitted = self.calibration
        return None if fitted is None else _logistic(fitted.intercept - fitted.slope * distance)


def _logistic(logit: float) -> float:
    """1 / (1 + exp(-logit)) without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    return math.exp(logit) / (1.0 + math.exp(logit))


def _contradictions(manifest: Manifest) -> Any:
    """Yields a message for each contradiction in a well-typed manifest."""
    if manifest.default_precision not in manifest.files:
        yield f"default_precision {manifest.default_precision!r} has no entry in files"
    if manifest.alignment.size != manifest.input.size:
        yield f"alignment.size {manifest.alignment.size} is not input.size {manifest.input.size}"
    template: Sequence[Point] = manifest.alignment.template or ()
    if any(not 0 <= value <= manifest.alignment.size for point in template for value in point):
        yield "alignment.template has a point outside the chip"
    for kind in manifest.check:
        if kind not in manifest.files:
            yield f"check.{kind} has no entry in files"
    mean: Sequence[float] | None = manifest.embedding.mean
    if mean is not None and len(mean) != manifest.embedding.dimension:
        yield f"embedding.mean has {len(mean)} values, not {manifest.embedding.dimension}"
    yield from manifest.thresholds.contradictions()
    if manifest.refusal is not None:
        yield from manifest.refusal.contradictions(manifest.embedding.dimension)


def read_manifest(folder: Path) -> Manifest:
    """Reads and validates `folder`/manifest.json.

    Raises ModelUnavailable naming the file, and for a bad field the path to it.
    """
    path = folder / MANIFEST_NAME
    try:
        content = path.read_bytes()
        _check_format(content)
        return msgspec.json.decode(content, type=Manifest)
    except OSError as exc:
        raise ModelUnavailable(
            f"no readable {MANIFEST_NAME} in the model folder", file=MANIFEST_NAME
        ) from exc
    except (msgspec.DecodeError, ValueError) as exc:
        raise ModelUnavailable(
            f"{MANIFEST_NAME} is not a valid manifest: {exc}", file=MANIFEST_NAME
        ) from exc


class _Format(Struct, frozen=True):
    """The first thing to read of any manifest."""

    format: int


def _check_format(content: bytes) -> None:
    """Raises ValueError for a manifest of another version, and says how to make a new one."""
    found = msgspec.json.decode(content, type=_Format).format
    if found < FORMAT:
        raise ValueError(
            f"format {found} holds thresholds measured on too few pairs; import the model again "
            "(python -m tools.import_model), or run python -m tools.evaluate.calibrate FOLDER"
        )
    if found > FORMAT:
        raise ValueError(f"format {found} is newer than this version reads ({FORMAT})")
