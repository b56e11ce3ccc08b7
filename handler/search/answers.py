"""The models of answers about collections."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from handler.faces.answers import ErrorBody, FaceAnswer, ModelAnswer
from handler.search.types import Engine, ObjectSource


class GalleryAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The size of a collection."""

    persons: Annotated[int, Meta(description="A face without a person counts as one person.")]
    faces: int
    estimated: Annotated[
        bool, Meta(description="Estimated from a sample, to about 3 %; otherwise exact.")
    ] = False


class CollectionAnswer(Struct, frozen=True, kw_only=True):
    """One collection; for create_collection, the one that was made or was there."""

    operation: Literal["create_collection", "describe_collection"]
    collection: str
    contract: str
    engine: Engine
    gallery: GalleryAnswer
    request_id: str


class CollectionsAnswer(Struct, frozen=True, kw_only=True):
    """Names of collections; `after` is for the next page, null on the last."""

    operation: Literal["list_collections"] = "list_collections"
    collections: list[str]
    after: str | None
    request_id: str


class PersonsAnswer(Struct, frozen=True, kw_only=True):
    """Names of persons, in a fixed order; `after` is for the next page, null on the last."""

    operation: Literal["list_persons"] = "list_persons"
    collection: str
    persons: list[str]
    after: str | None
    request_id: str


class PersonFace(Struct, frozen=True, kw_only=True):
    """An enrolled face; `source` where it came from a bucket."""

    id: str
    source: ObjectSource | None


class PersonAnswer(Struct, frozen=True, kw_only=True):
    """One person's faces."""

    operation: Literal["describe_person"] = "describe_person"
    collection: str
    person: str
    faces: list[PersonFace]
    request_id: str


class RemovedAnswer(Struct, frozen=True, kw_only=True):
    """What a deletion removed; the deletion is complete when it answers."""

    operation: Literal["delete_collection", "delete_person", "delete_face"]
    collection: str
    persons: Annotated[int, Meta(description="Number of persons that have no face left.")]
    faces: list[str]
    request_id: str


class EnrolledFace(Struct, frozen=True, kw_only=True):
    """A face of a picture, now enrolled; `added` is false where it was there before."""

    id: str
    added: bool
    face: FaceAnswer | None


class EnrolledImage(Struct, frozen=True, kw_only=True):
    """The result for one picture: its faces, or why none was enrolled."""

    index: int
    faces: list[EnrolledFace]
    error: ErrorBody | UnsetType = UNSET


class EnrolAnswer(Struct, frozen=True, kw_only=True):
    """Which faces were enrolled, and why others were not."""

    operation: Literal["enrol"] = "enrol"
    collection: str
    person: str
    images: list[EnrolledImage]
    gallery: GalleryAnswer
    model: ModelAnswer
    timings_ms: dict[str, float]
    request_id: str


class MatchedFace(Struct, frozen=True, kw_only=True):
    """An enrolled face and its distance to the face that was searched for."""

    id: str
    distance: float
    source: ObjectSource | UnsetType = UNSET


class Match(Struct, frozen=True, kw_only=True):
    """A person within the threshold; `person` is null for a face that a bucket brought in."""

    person: str | None
    distance: float
    similarity: float | None
    faces: Annotated[list[MatchedFace], Meta(description="Nearest first, at most ten.")]


class SearchedFace(FaceAnswer, frozen=True, kw_only=True):
    """A face of the picture: who it may be, nearest first."""

    unknown: Annotated[bool, Meta(description="Nobody is within the threshold.")]
    matches: list[Match]


class SearchedImage(Struct, frozen=True, kw_only=True):
    """The picture that was searched with. An image given as `embedding` has one face, no size."""

    index: int
    width: int | None
    height: int | None
    faces: list[SearchedFace]


class SearchAnswer(Struct, frozen=True, kw_only=True):
    """For each face of the picture the persons that it may be."""

    operation: Literal["search"] = "search"
    images: list[SearchedImage]
    collection: str
    gallery: GalleryAnswer
    max_fpir: float | None
    far: Annotated[
        float | None, Meta(description="The measured false-accept rate behind `threshold`.")
    ]
    far_wanted: Annotated[
        float | UnsetType,
        Meta(description="The requested rate, where the model's table does not reach it."),
    ] = UNSET
    threshold: float
    score: Literal["mean", "best"]
    model: ModelAnswer
    timings_ms: dict[str, float]
    request_id: str


MODELS: tuple[Any, ...] = (
    CollectionAnswer,
    CollectionsAnswer,
    PersonsAnswer,
    PersonAnswer,
    RemovedAnswer,
    EnrolAnswer,
    SearchAnswer,
)
