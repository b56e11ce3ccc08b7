"""CreateCollection, DescribeCollection, ListCollections, DeleteCollection."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import gallery, ids
from handler.rekognition.errors import RekognitionError
from handler.rekognition.names import COLLECTION_ID, LONGEST_PAGE, CollectionId, PageSize


class CreateCollection(Struct, frozen=True, kw_only=True, rename="pascal"):
    """`Tags` are taken and not kept: there is nothing that they could be attached to."""

    collection_id: CollectionId
    tags: dict[str, Any] | None = None


class DescribeCollection(Struct, frozen=True, kw_only=True, rename="pascal"):
    """One collection."""

    collection_id: CollectionId


class DeleteCollection(DescribeCollection, frozen=True, kw_only=True, rename="pascal"):
    """One collection."""


class ListCollections(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A page of collections."""

    next_token: str | None = None
    max_results: PageSize | None = None


class CreateCollectionAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The collection that was made."""

    status_code: int
    collection_arn: str
    face_model_version: str


class DescribeCollectionAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """`FaceCount` is an estimate above some thousand faces (docs/search.md)."""

    face_count: int
    user_count: int
    face_model_version: str
    collection_arn: str = field(name="CollectionARN")
    creation_timestamp: float | UnsetType = UNSET


class ListCollectionsAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Names and, in the same order, versions."""

    collection_ids: list[str]
    face_model_versions: list[str]
    next_token: str | UnsetType = UNSET


class DeleteCollectionAnswer(Struct, frozen=True, rename="pascal"):
    """The collection is gone."""

    status_code: int


def create_collection(
    request: CreateCollection, service: Service, _invocation: Invocation
) -> CreateCollectionAnswer:
    """Raises ResourceAlreadyExistsException."""
    contract = gallery.create(service, request.collection_id)
    if contract is None:
        raise RekognitionError(
            "ResourceAlreadyExistsException", "CollectionId: the collection exists already."
        )
    return CreateCollectionAnswer(
        status_code=200,
        collection_arn=arn(request.collection_id),
        face_model_version=contract,
    )


def describe_collection(
    request: DescribeCollection, service: Service, invocation: Invocation
) -> DescribeCollectionAnswer:
    """Raises CollectionNotFound."""
    found, faces = gallery.described(service, request.collection_id, invocation)
    created = found.collection.record.created
    return DescribeCollectionAnswer(
        face_count=faces,
        user_count=found.users.count(),
        face_model_version=found.model_version,
        collection_arn=arn(request.collection_id),
        creation_timestamp=UNSET if created is None else created,
    )


def list_collections(
    request: ListCollections, service: Service, _invocation: Invocation
) -> ListCollectionsAnswer:
    """Raises InvalidPaginationTokenException."""
    size = min(request.max_results or LONGEST_PAGE, LONGEST_PAGE)
    after = ids.read_token(request.next_token, COLLECTION_ID)
    found = gallery.page_of_names(service, after, size + 1)
    page = found[:size]
    return ListCollectionsAnswer(
        collection_ids=[name for name, _ in page],
        face_model_versions=[contract for _, contract in page],
        next_token=ids.make_token(page[-1][0]) if len(found) > size else UNSET,
    )


def delete_collection(
    request: DeleteCollection, service: Service, invocation: Invocation
) -> DeleteCollectionAnswer:
    """Raises CollectionNotFound."""
    gallery.delete(service, request.collection_id, invocation)
    return DeleteCollectionAnswer(200)


def arn(collection: str) -> str:
    """A name in the form of an ARN. Its partition says that AWS knows no such resource."""
    return f"arn:facenet:rekognition:::collection/{collection}"
