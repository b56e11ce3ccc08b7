"""The models that encode an answer and describe it in /openapi.json."""

import base64
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from handler.faces.types import FoundFace, PictureFaces

Encoding = Literal["float", "base64"]
Point = tuple[float, float]
Unit = Annotated[float, Meta(ge=0, le=1)]
# Decimals of a unit vector's numbers: exact to 5e-10, at half the bytes.
EMBEDDING_DECIMALS = 9
# MTCNN's boxes count pixels from 1, its landmarks from 0; answers count everything from 0.
FIRST_PIXEL = 1


class Box(Struct, frozen=True):
    """A rectangle in the upright picture; it may reach beyond the picture's edge."""

    left: float
    top: float
    width: float
    height: float


class FaceQuality(Struct, frozen=True):
    """Quality of a face."""

    size: Annotated[int, Meta(description="Shorter side of the box, pixels.")]
    sharpness: Annotated[float, Meta(ge=0, le=1)]
    brightness: Annotated[float, Meta(ge=0, le=1)]
    yaw: Annotated[float, Meta(description="Degrees, from the landmarks.")]
    pitch: float
    roll: float


class FaceAnswer(Struct, frozen=True, kw_only=True):
    """One face of a picture."""

    box: Annotated[Box, Meta(description="Pixels.")]
    box_ratio: Annotated[Box, Meta(description="Shares of the picture's width and height.")]
    landmarks: Annotated[
        tuple[Point, Point, Point, Point, Point] | None,
        Meta(description="Eye, eye, nose, mouth corner, mouth corner, left to right as seen."),
    ]
    score: float
    quality: FaceQuality | None
    embedding: Annotated[
        list[float] | str | UnsetType,
        Meta(description="For embed: unit length; numbers, or base64 of little-endian float32."),
    ] = UNSET


class ImageAnswer(Struct, frozen=True, kw_only=True):
    """One image of the request, at its own index. An image given as `embedding` has no faces."""

    index: int
    width: int | None
    height: int | None
    faces: list[FaceAnswer]


class ModelAnswer(Struct, frozen=True, kw_only=True):
    """Which model answered. Embeddings are comparable where their `contract` is the same."""

    id: str
    contract: Annotated[
        str,
        Meta(description="`<id>@<digest>` of weights, precision, alignment, scaling and flip."),
    ]
    sha256: str
    dimension: int


class DetectAnswer(Struct, frozen=True, kw_only=True):
    """Where the faces are; an empty list if there are none."""

    operation: Literal["detect"] = "detect"
    images: list[ImageAnswer]
    model: ModelAnswer
    timings_ms: dict[str, float]
    request_id: str


class EmbedAnswer(Struct, frozen=True, kw_only=True):
    """The faces, each with its `embedding`, a vector of unit length."""

    operation: Literal["embed"] = "embed"
    images: list[ImageAnswer]
    model: ModelAnswer
    timings_ms: dict[str, float]
    request_id: str


class FaceIndex(Struct, frozen=True):
    """`images[image].faces[face]` of the same answer; face 0 of an image given as `embedding`."""

    image: int
    face: int


class Pair(Struct, frozen=True, kw_only=True):
    """Two faces of different images."""

    a: FaceIndex
    b: FaceIndex
    distance: float
    similarity: float | None
    same: bool


class CompareAnswer(Struct, frozen=True, kw_only=True):
    """The verdict on image 0 and the nearest face of another image."""

    operation: Literal["compare"] = "compare"
    distance: Annotated[float, Meta(ge=0, le=2, description="L2 between unit vectors.")]
    similarity: Annotated[
        Unit | None,
        Meta(
            description="Calibrated probability, for even odds; null where the model or profile "
            "has no calibration."
        ),
    ]
    same: Annotated[bool, Meta(description="`distance` is at most `threshold`.")]
    threshold: float
    far: Annotated[
        float | None,
        Meta(description="False-accept rate behind `threshold`; null where none was measured."),
    ]
    pairs: Annotated[
        list[Pair] | UnsetType,
        Meta(description="With more than two images, or `face: all`: every pair, nearest first."),
    ] = UNSET
    images: list[ImageAnswer]
    model: ModelAnswer
    timings_ms: dict[str, float]
    request_id: str


class ErrorBody(Struct, frozen=True, kw_only=True):
    """An error. `code` is stable, `message` is for people, `details` depends on the code."""

    code: str
    message: str
    details: dict[str, Any]
    retryable: Annotated[bool, Meta(description="The same request may succeed later.")]


class ErrorAnswer(Struct, frozen=True, kw_only=True):
    """The form of every error."""

    error: ErrorBody
    request_id: str


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """The function is up, with the model that it serves."""

    status: Literal["ok"]
    model: ModelAnswer
    engine: str
    detector: str
    version: str


class ThresholdAnswer(Struct, frozen=True, kw_only=True):
    """The default threshold with its false-accept rate, and the measured rates, strictest last.

    `strangers` is how many pairs of different people were counted; `pairs` of a rate, how many of
    them it accepts.
    """

    default: float
    default_far: float | None
    table: list[dict[str, Any]]
    strangers: int
    worst_group: dict[str, Any] | None
    protocol: str


class ModelCardAnswer(Struct, frozen=True, kw_only=True):
    """The model card, from the model's manifest."""

    id: str
    contract: str
    sha256: str
    dimension: int
    input_size: int
    alignment: dict[str, Any]
    standardization: str
    thresholds: ThresholdAnswer
    calibration: dict[str, Any] | None
    licence: str
    provenance: dict[str, Any]
    accuracy: list[dict[str, Any]]


encode = msgspec.json.Encoder().encode
to_builtins = msgspec.to_builtins


def image_answers(
    pictures: Iterable[PictureFaces | None], encoding: Encoding | None = None
) -> list[ImageAnswer]:
    """One answer per image, in order; None stands for an image given as an embedding.

    With `encoding`, each face carries its embedding in that form.
    """
    return [
        image_answer(index, picture, encoding)
        if picture is not None
        else ImageAnswer(index=index, width=None, height=None, faces=[])
        for index, picture in enumerate(pictures)
    ]


def image_answer(index: int, picture: PictureFaces, encoding: Encoding | None) -> ImageAnswer:
    """One picture's faces as the answer says them."""
    faces = [_face_answer(face, picture.width, picture.height, encoding) for face in picture.faces]
    return ImageAnswer(index=index, width=picture.width, height=picture.height, faces=faces)


def encode_embedding(vector: NDArray[np.float32], encoding: Encoding) -> list[float] | str:
    """float32 [D] as a list of numbers, or as base64 of little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = np.round(vector.astype(np.float64), EMBEDDING_DECIMALS).tolist()
    return numbers


def _face_answer(
    found: FoundFace, width: int, height: int, encoding: Encoding | None
) -> FaceAnswer:
    left, top, right, bottom = (float(edge) - FIRST_PIXEL for edge in found.box)
    wide, high = right - left, bottom - top
    embedding: list[float] | str | UnsetType = UNSET
    if encoding is not None and found.embedding is not None:
        embedding = encode_embedding(found.embedding, encoding)
    return FaceAnswer(
        box=Box(round(left, 2), round(top, 2), round(wide, 2), round(high, 2)),
        box_ratio=Box(
            round(left / width, 5),
            round(top / height, 5),
            round(wide / width, 5),
            round(high / height, 5),
        ),
        landmarks=_points(found),
        score=round(found.score, 5),
        quality=_quality(found),
        embedding=embedding,
    )


def _points(found: FoundFace) -> Any:
    if found.landmarks is None:
        return None
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in found.landmarks)


def _quality(found: FoundFace) -> FaceQuality | None:
    measured = found.quality
    if measured is None:
        return None
    numbers = (measured.sharpness, measured.brightness, measured.yaw, measured.pitch, measured.roll)
    if not all(math.isfinite(number) for number in numbers):
        return None
    sharpness, brightness, yaw, pitch, roll = (round(float(number), 3) for number in numbers)
    return FaceQuality(int(measured.size), sharpness, brightness, yaw, pitch, roll)
