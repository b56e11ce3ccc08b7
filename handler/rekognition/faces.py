"""CompareFaces and DetectFaces."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from handler.errors import ApiError
from handler.faces.answers import CompareAnswer, FaceAnswer, ImageAnswer
from handler.faces.requests import Job, Options
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition.answers import (
    PERCENT_DECIMALS,
    BoundingBox,
    FaceDetail,
    bounding_box,
    face_detail,
    percent,
)
from handler.rekognition.images import SHARES, Filter, Image
from handler.rekognition.names import DEFAULT_THRESHOLD, Percent
from model_layer.percent import scale_of

MOST_FACES = 100  # the largest ones; Rekognition's own limit for both operations

Attribute = Literal[
    "DEFAULT",
    "ALL",
    "AGE_RANGE",
    "BEARD",
    "EMOTIONS",
    "EYE_DIRECTION",
    "EYEGLASSES",
    "EYES_OPEN",
    "GENDER",
    "MOUTH_OPEN",
    "MUSTACHE",
    "FACE_OCCLUDED",
    "SMILE",
    "SUNGLASSES",
]


class CompareFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The largest face of the source against the faces of the target."""

    source_image: Image
    target_image: Image
    similarity_threshold: Percent | None = None
    quality_filter: Filter | None = None


class DetectFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """`Attributes` may name anything; the answer holds what there is."""

    image: Image
    attributes: list[Attribute] | None = None


class SourceFace(Struct, frozen=True, rename="pascal"):
    """The face of the source that was compared."""

    bounding_box: BoundingBox
    confidence: float


class CompareMatch(Struct, frozen=True, rename="pascal"):
    """A face of the target that reaches the threshold."""

    similarity: float
    face: FaceDetail


class CompareFacesAnswer(Struct, frozen=True, rename="pascal"):
    """Matches, most similar first; the other faces of the target, largest first."""

    source_image_face: SourceFace
    face_matches: list[CompareMatch]
    unmatched_faces: list[FaceDetail]


class DetectFacesAnswer(Struct, frozen=True, rename="pascal"):
    """Faces, largest first. Pictures are turned upright by EXIF, so there is no correction."""

    face_details: list[FaceDetail]


def compare_faces(
    request: CompareFaces, service: Service, invocation: Invocation
) -> CompareFacesAnswer:
    """Raises RekognitionError and ApiError; FaceNotFound where either picture has no face."""
    sources = (
        request.source_image.source("SourceImage"),
        request.target_image.source("TargetImage"),
    )
    options = Options(face="all", min_quality=SHARES[request.quality_filter or "NONE"])
    try:
        answer = service.run(Job("compare", sources, options), invocation)
    except ApiError as failure:
        raise naming_images(failure, ("SourceImage", "TargetImage")) from None
    assert isinstance(answer, CompareAnswer)
    return _compared(answer, request.similarity_threshold, service)


def detect_faces(
    request: DetectFaces, service: Service, invocation: Invocation
) -> DetectFacesAnswer:
    """Raises RekognitionError and ApiError. No face is an empty list."""
    job = Job("detect", (request.image.source("Image"),), Options())
    try:
        image = service.run(job, invocation).images[0]
    except ApiError as failure:
        raise naming_images(failure, ("Image",)) from None
    return DetectFacesAnswer([_detail(image, index) for index in largest(image.faces)[:MOST_FACES]])


def naming_images(failure: ApiError, fields: Sequence[str]) -> ApiError:
    """The same error with the request's own names for `images[0]` and so on."""
    message = failure.message
    for index, field in enumerate(fields):
        message = message.replace(f"images[{index}]", field, 1)
    return ApiError(
        failure.code,
        message,
        details=failure.details,
        retryable=failure.retryable,
        status=failure.status,
        fixable=failure.fixable,
    )


def largest(faces: Sequence[FaceAnswer]) -> list[int]:
    """Indices of the faces, largest first."""
    return sorted(range(len(faces)), key=lambda index: -_area(faces[index]))


def _compared(
    answer: CompareAnswer, threshold: float | None, service: Service
) -> CompareFacesAnswer:
    source, target = answer.images
    wanted = DEFAULT_THRESHOLD if threshold is None else threshold
    scale = scale_of(service.model.manifest)
    likeness = {
        pair.b.face: round(scale.percent(pair.distance), PERCENT_DECIMALS)
        for pair in answer.pairs or ()
    }
    kept = largest(target.faces)[:MOST_FACES]
    matches = sorted(
        (index for index in kept if likeness[index] >= wanted), key=lambda index: -likeness[index]
    )
    face = source.faces[0]
    return CompareFacesAnswer(
        SourceFace(bounding_box(face.box_ratio), percent(face.score)),
        [CompareMatch(likeness[index], _detail(target, index)) for index in matches],
        [_detail(target, index) for index in kept if likeness[index] < wanted],
    )


def _detail(image: ImageAnswer, index: int) -> FaceDetail:
    return face_detail(image.faces[index], image.width or 1, image.height or 1)


def _area(face: FaceAnswer) -> float:
    return face.box.width * face.box.height
