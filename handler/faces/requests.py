"""The models that validate a request and describe it in /openapi.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from align import FaceRule
from handler.decoding import convert, decode_json
from handler.errors import ApiError
from handler.settings import Limits
from handler.storage.types import ObjectReference

OPERATIONS = ("compare", "embed", "detect")
# Answered by handler.search, which is imported when the first of them is asked for.
COLLECTION_OPERATIONS = (
    "create_collection",
    "list_collections",
    "describe_collection",
    "delete_collection",
    "enrol",
    "list_persons",
    "describe_person",
    "delete_person",
    "delete_face",
    "search",
)

Distance = Annotated[float, Meta(ge=0, le=2)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0, lt=1)]
Degrees = Annotated[float, Meta(ge=0, le=180)]
Delete = Annotated[
    bool,
    Meta(description="Remove the pictures sent by POST /v1/uploads once they are answered."),
]


class S3Reference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object in a bucket that FACENET_INPUT_BUCKETS allows."""

    bucket: Annotated[str, Meta(min_length=3, max_length=255)]
    key: Annotated[str, Meta(min_length=1, max_length=1024)]
    version_id: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None

    def reference(self) -> ObjectReference:
        """The object for the storage."""
        return ObjectReference(self.bucket, self.key, self.version_id)


class ImageObject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image by reference: `s3`, an `embedding` made earlier, or a `person` of a collection."""

    s3: S3Reference | UnsetType = UNSET
    embedding: Annotated[
        list[float] | str | UnsetType,
        Meta(description="A list of numbers, or base64 of little-endian float32."),
    ] = UNSET
    model: Annotated[
        str | UnsetType,
        Meta(
            description="Contract of `embedding`, the `model.contract` of the answer that it came "
            "from; refused if it differs."
        ),
    ] = UNSET

    person: Annotated[
        str | UnsetType, Meta(description="For compare: a person of `collection` as a side.")
    ] = UNSET
    collection: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if [self.s3, self.embedding, self.person].count(UNSET) != 2:
            raise ValueError("Expected exactly one of `s3`, `embedding` and `person`")
        if (self.person is UNSET) != (self.collection is UNSET):
            raise ValueError("`person` and `collection` go together")
        if self.model is not UNSET and self.embedding is UNSET:
            raise ValueError("`model` goes with `embedding` only")


class QualityLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quality limits of a face. The angles are the largest allowed, to either side."""

    size: Annotated[float, Meta(ge=0, description="Shorter side of the box, pixels.")] = 0.0
    sharpness: Unit = 0.0
    brightness: Unit = 0.0
    yaw: Degrees = 180.0
    pitch: Degrees = 180.0
    roll: Degrees = 180.0
    score: Unit = 0.0


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choices of a request; query parameters and form fields carry the same names."""

    aligned: Annotated[
        bool, Meta(description="The pictures are already face crops: skip detection.")
    ] = False
    face: Annotated[
        FaceRule | None,
        Meta(description="Which faces are used. Default: `largest`; for detect: `all`."),
    ] = None
    threshold: Annotated[
        Distance | None,
        Meta(description="Largest distance that means `same`. Default: the model's own."),
    ] = None
    far: Annotated[
        Rate | None,
        Meta(
            description="Decide by the threshold of this false-accept rate, in place of "
            "`threshold`; interpolated log-linearly between measured rates, refused outside them."
        ),
    ] = None
    encoding: Annotated[
        Literal["float", "base64"],
        Meta(description="Embeddings as numbers, or as base64 of little-endian float32."),
    ] = "float"
    flip: Annotated[
        bool,
        Meta(description="Use the mean of the embeddings of the face and of its mirror image."),
    ] = False
    retry: Annotated[
        bool,
        Meta(
            description="Check which way up each face is, and search again (about four times "
            "as long) if no face is found with certainty. False: one plain search."
        ),
    ] = True
    min_quality: Annotated[
        Unit | QualityLimits | None,
        Meta(
            description="Refuse faces below this quality: a share of full quality, or single "
            "limits. 0 also accepts faces that are refused by default: those that the model "
            "cannot tell apart."
        ),
    ] = None
    delete: Delete = False
    profile: Annotated[
        Literal["model", "uai"],
        Meta(description="`uai`: crop and scale as the UAI example did (FaceNet models only)."),
    ] = "model"

    def __post_init__(self) -> None:
        if self.far is not None and self.threshold is not None:
            raise ValueError("Expected `far` or `threshold`, not both")


class Request(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faces to compare, embed or detect."""

    images: Annotated[
        list[str | ImageObject],
        Meta(
            min_length=1,
            description="Pictures: base64 (bare or a data: URI), or an object with `s3` or "
            "`embedding`.",
        ),
    ]
    cnt: Annotated[int | None, Meta(description="If given, the number of images.")] = None
    operation: Annotated[
        str | None,
        Meta(
            description="For a direct invocation. Default: compare for two images, else embed.",
            extra_json_schema={"enum": [*OPERATIONS, None]},
        ),
    ] = None


# A picture as it came (base64 text, or bytes out of an HTTP body), or a reference.
Source = str | bytes | ImageObject


@dataclass(frozen=True)
class Job:
    """A request that passed every check that needs no picture."""

    operation: str
    sources: tuple[Source, ...]
    options: Options

    @property
    def rule(self) -> FaceRule:
        """Which faces count, with the operation's own default."""
        return self.options.face or ("all" if self.operation == "detect" else "largest")

    def rule_at(self, index: int) -> FaceRule:
        """Which faces of one image count: `all` in a compare leaves image 0 one person."""
        reference = self.operation == "compare" and index == 0
        return "largest" if reference and self.rule == "all" else self.rule


def parse_json(body: bytes, limits: Limits, operation: str | None = None) -> Job:
    """A JSON body as a Job. Raises InvalidRequest (naming the field), CountMismatch, ..."""
    return to_job(decode_json(body, Request), limits, operation)


def parse_object(event: Mapping[str, Any], limits: Limits) -> Job:
    """A direct invocation's event, already decoded by the runtime, as a Job."""
    return to_job(convert(event, Request), limits)


def to_job(request: Request, limits: Limits, operation: str | None = None) -> Job:
    """Checks that types cannot express: operation, count, number of images."""
    wanted = _operation(request.operation, operation)
    check_count(request.cnt, request.images, limits)
    default = "compare" if len(request.images) == 2 else "embed"
    return _require_images(Job(wanted or default, tuple(request.images), request))


def from_fields(
    pictures: Sequence[bytes], fields: Mapping[str, str], limits: Limits, operation: str
) -> Job:
    """Pictures of an HTTP body with the options given as text (query or form fields) as a Job."""
    texts = dict(fields)
    named = convert(
        {name: texts.pop(name, None) for name in ("cnt", "operation")}, _Named, strict=False
    )
    _operation(named.operation, operation)
    check_count(named.cnt, pictures, limits)
    return _require_images(Job(operation, tuple(pictures), convert(texts, Options, strict=False)))


def check_count(count: int | None, images: Sequence[Any], limits: Limits) -> None:
    """Raises CountMismatch or, for more images than allowed, PayloadTooLarge."""
    if count is not None and count != len(images):
        raise ApiError(
            "CountMismatch",
            f"cnt must equal the number of images, {len(images)}.",
            details={"images": len(images)},
        )
    if len(images) > limits.images:
        raise ApiError(
            "PayloadTooLarge",
            f"A request may have at most {limits.images} images.",
            details={"images": len(images), "limit": limits.images},
        )


class _Named(Struct):
    """What a request may say about itself, besides its options."""

    cnt: int | None = None
    operation: str | None = None


def _operation(named: str | None, routed: str | None) -> str | None:
    """The operation that the path or the request names. Raises UnknownOperation."""
    if named is not None and named not in OPERATIONS:
        raise ApiError(
            "UnknownOperation",
            f"operation must be one of {', '.join(OPERATIONS + COLLECTION_OPERATIONS)}.",
            details={"operations": [*OPERATIONS, *COLLECTION_OPERATIONS]},
        )
    if routed and named and named != routed:
        raise ApiError(
            "InvalidRequest",
            f"operation: this route is for {routed}, but the request asks for {named}.",
        )
    return routed or named


def _require_images(job: Job) -> Job:
    if job.operation == "compare" and len(job.sources) < 2:
        raise ApiError(
            "InvalidRequest",
            "images: compare needs at least two images.",
            details={"field": "images"},
        )
    if not job.sources:
        raise ApiError(
            "InvalidRequest", "images: at least one is needed.", details={"field": "images"}
        )
    return job
