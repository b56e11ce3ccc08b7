"""IndexFaces, ListFaces, DeleteFaces."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from handler.errors import ApiError
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import gallery
from handler.rekognition.answers import FaceDetail, IndexedFace
from handler.rekognition.faces import Attribute
from handler.rekognition.gallery import Gallery, NewFace, open_gallery, profile_of, shown
from handler.rekognition.images import Filter, Image
from handler.rekognition.names import (
    LONGEST_PAGE,
    CollectionId,
    ExternalImageId,
    FaceId,
    PageSize,
    UserId,
)
from handler.rekognition.pictures import TOO_MANY, PictureReader, Seen, about_image, image_id

FaceIds = Annotated[list[FaceId], Meta(min_length=1, max_length=4096)]


class IndexFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The faces of a picture into a collection."""

    collection_id: CollectionId
    image: Image
    external_image_id: ExternalImageId | None = None
    detection_attributes: list[Attribute] | None = None
    max_faces: Annotated[int, Meta(ge=1)] | None = None
    quality_filter: Filter | None = None


class ListFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A page of faces; of one user, or those with these ids."""

    collection_id: CollectionId
    next_token: str | None = None
    max_results: PageSize | None = None
    user_id: UserId | None = None
    face_ids: FaceIds | None = None


class DeleteFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Faces by id."""

    collection_id: CollectionId
    face_ids: FaceIds


class FaceRecord(Struct, frozen=True, rename="pascal"):
    """A face as it is kept and as it was found."""

    face: IndexedFace
    face_detail: FaceDetail


class UnindexedFace(Struct, frozen=True, rename="pascal"):
    """A face that was not indexed, and why."""

    reasons: tuple[str, ...]
    face_detail: FaceDetail


class IndexFacesAnswer(Struct, frozen=True, rename="pascal"):
    """Every face of the picture is in one list or the other, largest first."""

    face_records: list[FaceRecord]
    face_model_version: str
    unindexed_faces: list[UnindexedFace]


class ListFacesAnswer(Struct, frozen=True, rename="pascal"):
    """A page, and the token for the next one."""

    faces: list[IndexedFace]
    face_model_version: str
    next_token: str | UnsetType = UNSET


class UnsuccessfulDeletion(Struct, frozen=True, rename="pascal"):
    """A face that was not deleted, and why."""

    face_id: str
    reasons: list[str]
    user_id: str | UnsetType = UNSET


class DeleteFacesAnswer(Struct, frozen=True, rename="pascal"):
    """What is gone, and what is not."""

    deleted_faces: list[str] | UnsetType
    unsuccessful_face_deletions: list[UnsuccessfulDeletion]


def index_faces(request: IndexFaces, service: Service, invocation: Invocation) -> IndexFacesAnswer:
    """A picture without a face indexes none. Raises RekognitionError and ApiError."""
    opened = open_gallery(service, request.collection_id, invocation)
    wanted = request.quality_filter or "AUTO"
    reader = PictureReader(service, profile_of(service), invocation)
    try:
        digest, faces = reader.read(request.image, wanted)
        faces = _at_most(faces, request.max_faces)
        chosen = reader.embed([face for face in faces if not face.reasons], wanted)
    except ApiError as failure:
        raise about_image(failure) from None
    kept = [face for face in chosen if not face.reasons]
    left = [face for face in (*faces, *chosen) if face.reasons]
    with invocation.timed("store"):
        records = _add(opened, kept, digest, request.external_image_id)
    return IndexFacesAnswer(
        [FaceRecord(record, face.detail) for record, face in zip(records, kept, strict=True)],
        opened.model_version,
        [UnindexedFace(face.reasons, face.detail) for face in sorted(left, key=_rank)],
    )


def list_faces(request: ListFaces, service: Service, invocation: Invocation) -> ListFacesAnswer:
    """Raises InvalidPaginationTokenException, and ResourceNotFoundException for a user."""
    opened = open_gallery(service, request.collection_id, invocation)
    size = min(request.max_results or LONGEST_PAGE, LONGEST_PAGE)
    if request.user_id is None and request.face_ids is None:
        faces, token = opened.page(request.next_token, size)
        return ListFacesAnswer(
            [shown(face) for face in faces], opened.model_version, token or UNSET
        )
    found = [] if request.face_ids is None else list(opened.find(request.face_ids).values())
    if request.user_id is not None:
        gallery.require_user(opened, request.user_id)
        theirs = opened.users.faces(request.user_id)
        wanted = {face.key for face in found}
        found = [face for face in theirs if request.face_ids is None or face.key in wanted]
    return ListFacesAnswer([shown(face) for face in found], opened.model_version)


def delete_faces(
    request: DeleteFaces, service: Service, invocation: Invocation
) -> DeleteFacesAnswer:
    """A face of a user stays until it is disassociated."""
    opened = open_gallery(service, request.collection_id, invocation)
    found = opened.find(request.face_ids)
    free = {name: face for name, face in found.items() if shown(face).user_id is UNSET}
    opened.remove(list(free.values()))
    kept = [
        UnsuccessfulDeletion(name, ["ASSOCIATED_TO_AN_EXISTING_USER"], shown(face).user_id)
        for name, face in found.items()
        if name not in free
    ]
    absent = [
        UnsuccessfulDeletion(name, ["FACE_NOT_FOUND"])
        for name in dict.fromkeys(request.face_ids)
        if name not in found
    ]
    # The model wants at least one face in the first list, where it is there.
    return DeleteFacesAnswer(list(free) or UNSET, kept + absent)


def _at_most(faces: Sequence[Seen], most: int | None) -> list[Seen]:
    """Faces beyond the `most` largest that may be indexed get that reason."""
    free = [face.rank for face in faces if not face.reasons]
    over = set(free[most:]) if most is not None else set()
    return [replace(face, reasons=(TOO_MANY,)) if face.rank in over else face for face in faces]


def _add(
    opened: Gallery, faces: Sequence[Seen], digest: str, external: str | None
) -> list[IndexedFace]:
    made = [_new_face(face, digest, external) for face in faces]
    return [shown(face) for face in opened.add(made)] if made else []


def _new_face(face: Seen, digest: str, external: str | None) -> NewFace:
    assert face.vector is not None
    left, top, right, bottom = face.found.box
    return NewFace(
        content=f"{digest}\n{face.rank}",
        vector=face.vector,
        box=(round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)),
        external=external,
        image=image_id(digest, external),
        confidence=face.detail.confidence,
        bounding_box=face.detail.bounding_box,
    )


def _rank(face: Seen) -> int:
    return face.rank
