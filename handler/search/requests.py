"""The models that validate a request about collections and describe it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from align import FaceRule
from handler.decoding import convert, decode_json
from handler.errors import ApiError
from handler.faces.requests import (
    Delete,
    Distance,
    ImageObject,
    Options,
    QualityLimits,
    Source,
    Unit,
)
from handler.search.scoring import DEFAULT_SCORE, Score
from handler.settings import Limits

CollectionName = Annotated[
    str, Meta(min_length=1, max_length=255, description="Letters, digits, and any of `._:-`.")
]
PersonName = Annotated[
    str, Meta(min_length=1, max_length=1024, description="1 to 255 printable characters.")
]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Rate = Annotated[float, Meta(gt=0, le=1)]
DEFAULT_PAGE = 100
DEFAULT_MAX_FPIR = 0.01


class ListCollections(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the collections' names."""

    after: str | None = None
    limit: PageSize = DEFAULT_PAGE
    operation: str | None = None


class NamedCollection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One collection."""

    collection: CollectionName
    operation: str | None = None


class CreateCollection(NamedCollection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One collection, and how its faces are embedded."""

    flip: bool = False


class ListPersons(NamedCollection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of a collection's persons, after one of them."""

    after: str | None = None
    limit: PageSize = DEFAULT_PAGE


class NamedPerson(NamedCollection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person of a collection."""

    person: PersonName


class NamedFace(NamedCollection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One face of a collection."""

    face: Annotated[str, Meta(description="The face id that enrol returned.")]


class FaceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How faces are found in the pictures; as for compare and embed."""

    aligned: bool = False
    flip: bool = False
    min_quality: Unit | QualityLimits | None = None
    delete: Delete = False


class EnrolOptions(FaceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choices of an enrolment; form fields carry the same names."""

    person: PersonName
    face: FaceRule = "largest"


class SearchOptions(FaceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choices of a search; query parameters and form fields carry the same names."""

    face: FaceRule = "all"
    limit: Annotated[int, Meta(ge=1, le=50, description="Persons per face.")] = 5
    max_fpir: Annotated[
        Rate | None,
        Meta(
            description="Probability that a stranger is matched to anybody enrolled. Default 0.01, "
            "unless `far` or `threshold` is given."
        ),
    ] = None
    far: Annotated[
        Rate | None, Meta(description="False-accept rate of one comparison, instead of `max_fpir`.")
    ] = None
    threshold: Annotated[
        Distance | None, Meta(description="Largest distance of a match, instead of `max_fpir`.")
    ] = None
    score: Annotated[
        Score,
        Meta(description="Distance to the mean of a person's faces, or to the best of them."),
    ] = DEFAULT_SCORE

    def __post_init__(self) -> None:
        given = [each for each in (self.max_fpir, self.far, self.threshold) if each is not None]
        if len(given) > 1:
            raise ValueError("Expected at most one of `max_fpir`, `far` and `threshold`")


Images = Annotated[
    list[str | ImageObject],
    Meta(min_length=1, description="As for compare: base64, `s3` or `embedding`."),
]


class EnrolRequest(EnrolOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures of one person for a collection."""

    images: Images
    collection: CollectionName | None = None
    operation: str | None = None
    cnt: int | None = None


class SearchRequest(SearchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One picture whose faces are looked for in a collection."""

    images: Images
    collection: CollectionName | None = None
    operation: str | None = None
    cnt: int | None = None


PLAIN: Mapping[str, type[Struct]] = {
    "create_collection": CreateCollection,
    "list_collections": ListCollections,
    "describe_collection": NamedCollection,
    "delete_collection": NamedCollection,
    "list_persons": ListPersons,
    "describe_person": NamedPerson,
    "delete_person": NamedPerson,
    "delete_face": NamedFace,
}
PICTURES: Mapping[str, type[Struct]] = {"enrol": EnrolRequest, "search": SearchRequest}
OPTIONS: Mapping[str, type[Struct]] = {"enrol": EnrolOptions, "search": SearchOptions}


class SearchJob(Struct, frozen=True, kw_only=True):
    """A request about a collection that passed every check that needs no picture."""

    operation: str
    collection: str
    request: Any
    sources: tuple[Source, ...] = ()


def from_object(event: Mapping[str, Any], limits: Limits) -> SearchJob:
    """A direct invocation's event as a job. Raises InvalidRequest and the like."""
    operation = str(event["operation"])
    kind = PLAIN.get(operation) or PICTURES[operation]
    return _job(operation, convert(event, kind), None, limits)


def from_json(body: bytes, operation: str, place: Mapping[str, str], limits: Limits) -> SearchJob:
    """A JSON body of a route whose path names `place` (collection, ...) as a job."""
    if operation in PICTURES:
        return _job(operation, decode_json(body, PICTURES[operation]), place, limits)
    fields = decode_json(body, dict[str, Any]) if body.strip() else {}
    return from_fields((), {**fields}, operation, place, limits)


def from_fields(
    pictures: Sequence[bytes],
    fields: Mapping[str, Any],
    operation: str,
    place: Mapping[str, str],
    limits: Limits,
) -> SearchJob:
    """Pictures of a body, and options given as text (query or form fields), as a job."""
    if operation in PLAIN:
        both = sorted(set(fields) & set(place))
        if both:
            raise _named_by_path(both[0])
        kind: type[Struct] = PLAIN[operation]
        return _job(operation, convert({**fields, **place}, kind, strict=False), None, limits)
    request = convert(dict(fields), OPTIONS[operation], strict=False)
    return _job(operation, request, place, limits, tuple(pictures))


def _job(
    operation: str,
    request: Any,
    place: Mapping[str, str] | None,
    limits: Limits,
    pictures: tuple[bytes, ...] | None = None,
) -> SearchJob:
    """The checks that a type cannot say."""
    named = getattr(request, "operation", None)
    if named is not None and named != operation:
        raise ApiError(
            "InvalidRequest",
            f"operation: this route is for {operation}, but the request asks for another.",
            details={"field": "operation"},
        )
    collection = getattr(request, "collection", None)
    if place is not None and "collection" in place:
        if collection is not None:
            raise _named_by_path("collection")
        collection = place["collection"]
    if collection is None and operation != "list_collections":
        raise ApiError(
            "InvalidRequest", "collection: is required.", details={"field": "collection"}
        )
    sources = tuple(getattr(request, "images", ())) if pictures is None else pictures
    if operation in PICTURES:
        _check_images(operation, sources, getattr(request, "cnt", None), limits)
    return SearchJob(
        operation=operation, collection=collection or "", request=request, sources=sources
    )


def _check_images(
    operation: str, sources: Sequence[Source], cnt: int | None, limits: Limits
) -> None:
    from handler.faces.requests import check_count

    check_count(cnt, sources, limits)
    if not sources or (operation == "search" and len(sources) != 1):
        count = "exactly one image" if operation == "search" else "at least one image"
        raise ApiError(
            "InvalidRequest", f"images: {operation} takes {count}.", details={"field": "images"}
        )


def _named_by_path(field: str) -> ApiError:
    return ApiError(
        "InvalidRequest",
        f"{field}: the path sets it; leave it out of the request.",
        details={"field": field},
    )


def options_of(request: Any) -> Options:
    """The options that finding and embedding faces go by."""
    return Options(
        aligned=request.aligned,
        face=request.face,
        flip=request.flip,
        min_quality=request.min_quality,
    )
