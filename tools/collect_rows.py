"""A result of the batch function as rows of a table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct

SCHEMA = pa.schema(
    [
        ("bucket", pa.string()),
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("model_id", pa.string()),
        # What embeddings must have in common to be compared.
        ("contract", pa.string()),
        ("model_sha256", pa.string()),
        # Of the result, not of the picture: it orders the results of a picture that was replaced.
        ("written_at", pa.timestamp("us", tz="UTC")),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("face", pa.int32()),
        ("left", pa.float32()),
        ("top", pa.float32()),
        ("right", pa.float32()),
        ("bottom", pa.float32()),
        ("landmarks", pa.list_(pa.float32())),
        ("score", pa.float32()),
        ("quality_size", pa.int32()),
        ("sharpness", pa.float32()),
        ("brightness", pa.float32()),
        ("yaw", pa.float32()),
        ("pitch", pa.float32()),
        ("roll", pa.float32()),
        ("embedding", pa.list_(pa.float32())),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
    ]
)


class Picture(Struct):
    """`object` of a result."""

    bucket: str
    key: str
    etag: str
    size: int
    version_id: str | None = None


class Model(Struct):
    """`model` of a result."""

    id: str
    sha256: str
    contract: str | None = None  # results written before contracts existed have none

    def matches(self, name: str) -> bool:
        """Whether `name` is this contract, or the id alone."""
        return name in (self.contract, self.id)


class Box(Struct):
    """Pixels of the upright picture."""

    left: float
    top: float
    width: float
    height: float


class Quality(Struct):
    """Quality of a face."""

    size: int
    sharpness: float
    brightness: float
    yaw: float
    pitch: float
    roll: float


class Face(Struct):
    """One of `faces`."""

    box: Box
    score: float
    embedding: list[float]
    landmarks: list[list[float]] | None = None
    quality: Quality | None = None


class Error(Struct):
    """`error` of a result that was rejected."""

    code: str
    message: str


class Result(Struct):
    """One JSON file of the output."""

    format: int
    object: Picture
    model: Model
    faces: list[Face]
    width: int | None = None
    height: int | None = None
    error: Error | None = None


def decode(body: bytes) -> Result | None:
    """A result, or None for JSON that is none."""
    try:
        return msgspec.json.decode(body, type=Result)
    except msgspec.DecodeError:
        return None


def rows(result: Result, written_at: datetime) -> Iterator[dict[str, Any]]:
    """A row for each face, or one that says why there are none.

    Args:
        result: One JSON file of the output.
        written_at: When that file was last written; aware of its time zone.
    """
    common = {
        "bucket": result.object.bucket,
        "key": result.object.key,
        "version_id": result.object.version_id,
        "etag": result.object.etag,
        "size": result.object.size,
        "model_id": result.model.id,
        "contract": result.model.contract,
        "model_sha256": result.model.sha256,
        "written_at": written_at,
        "width": result.width,
        "height": result.height,
    }
    if result.error is not None:
        yield {
            **common,
            "error_code": result.error.code,
            "error_message": result.error.message,
        }
    for index, face in enumerate(result.faces):
        yield {**common, "face": index, **columns(face)}


def columns(face: Face) -> dict[str, Any]:
    """What is said of one face; `landmarks` is x, y, x, y, ... of the five points."""
    box, quality = face.box, face.quality
    measured = (
        {
            "quality_size": quality.size,
            "sharpness": quality.sharpness,
            "brightness": quality.brightness,
            "yaw": quality.yaw,
            "pitch": quality.pitch,
            "roll": quality.roll,
        }
        if quality
        else {}
    )
    return {
        "left": box.left,
        "top": box.top,
        "right": box.left + box.width,
        "bottom": box.top + box.height,
        "landmarks": [number for point in face.landmarks for number in point]
        if face.landmarks
        else None,
        "score": face.score,
        "embedding": face.embedding,
        **measured,
    }
