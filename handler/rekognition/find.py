"""SearchFaces, SearchFacesByImage, SearchUsers, SearchUsersByImage."""

from dataclasses import replace

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from handler.errors import ApiError
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import gallery
from handler.rekognition.answers import BoundingBox, FaceDetail, FaceMatch
from handler.rekognition.errors import RekognitionError, invalid
from handler.rekognition.gallery import Gallery, open_gallery, profile_of, shown
from handler.rekognition.images import Filter, Image
from handler.rekognition.names import (
    DEFAULT_MAX,
    DEFAULT_THRESHOLD,
    CollectionId,
    FaceId,
    MaxFaces,
    MaxUsers,
    Percent,
    UserId,
)
from handler.rekognition.pictures import PictureReader, Seen, about_image, largest_usable

Vector = NDArray[np.float32]


class SearchFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The faces of a collection that are similar to one of them."""

    collection_id: CollectionId
    face_id: FaceId
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None


class SearchFacesByImage(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The faces of a collection that are similar to the largest of a picture."""

    collection_id: CollectionId
    image: Image
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None
    quality_filter: Filter | None = None


class SearchUsers(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The users of a collection that are similar to one of its faces or to another user."""

    collection_id: CollectionId
    user_id: UserId | None = None
    face_id: FaceId | None = None
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None


class SearchUsersByImage(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The users of a collection that are similar to the largest face of a picture."""

    collection_id: CollectionId
    image: Image
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None
    quality_filter: Filter | None = None


class SearchFacesAnswer(Struct, frozen=True, rename="pascal"):
    """Most similar first; without the face that was searched with."""

    searched_face_id: str
    face_matches: list[FaceMatch]
    face_model_version: str


class SearchFacesByImageAnswer(Struct, frozen=True, rename="pascal"):
    """Most similar first."""

    searched_face_bounding_box: BoundingBox
    searched_face_confidence: float
    face_matches: list[FaceMatch]
    face_model_version: str


class MatchedUser(Struct, frozen=True, rename="pascal"):
    """A user with faces."""

    user_id: str
    user_status: str = "ACTIVE"


class UserMatch(Struct, frozen=True, rename="pascal"):
    """A user who is similar enough."""

    similarity: float
    user: MatchedUser


class SearchedId(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What was searched with."""

    face_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class SearchUsersAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Most similar first; without the user that was searched with."""

    user_matches: list[UserMatch]
    face_model_version: str
    searched_face: SearchedId | UnsetType = UNSET
    searched_user: SearchedId | UnsetType = UNSET


class SearchedFace(Struct, frozen=True, rename="pascal"):
    """The face of the picture that was searched with."""

    face_detail: FaceDetail


class UnsearchedFace(Struct, frozen=True, rename="pascal"):
    """Another face of the picture."""

    face_details: FaceDetail
    reasons: tuple[str, ...]


class SearchUsersByImageAnswer(Struct, frozen=True, rename="pascal"):
    """Most similar first."""

    user_matches: list[UserMatch]
    face_model_version: str
    searched_face: SearchedFace
    unsearched_faces: list[UnsearchedFace]


def search_faces(
    request: SearchFaces, service: Service, invocation: Invocation
) -> SearchFacesAnswer:
    """Raises InvalidParameterException for a face that the collection does not have."""
    opened = open_gallery(service, request.collection_id, invocation)
    probe = opened.find([request.face_id]).get(request.face_id)
    if probe is None:
        raise invalid("FaceId: the collection has no such face.")
    most = request.max_faces or DEFAULT_MAX
    with invocation.timed("search"):
        found = opened.matches(probe.vector, _least(request.face_match_threshold), most + 1)
    matches = [FaceMatch(similarity, shown(face)) for similarity, face in found]
    others = [match for match in matches if match.face.face_id != request.face_id]
    return SearchFacesAnswer(request.face_id, others[:most], opened.model_version)


def search_faces_by_image(
    request: SearchFacesByImage, service: Service, invocation: Invocation
) -> SearchFacesByImageAnswer:
    """Raises InvalidParameterException for a picture without a face."""
    opened = open_gallery(service, request.collection_id, invocation)
    probe, _ = _searched(request.image, request.quality_filter, service, invocation)
    with invocation.timed("search"):
        found = opened.matches(
            _vector(probe), _least(request.face_match_threshold), request.max_faces or DEFAULT_MAX
        )
    return SearchFacesByImageAnswer(
        probe.detail.bounding_box,
        probe.detail.confidence,
        [FaceMatch(similarity, shown(face)) for similarity, face in found],
        opened.model_version,
    )


def search_users(
    request: SearchUsers, service: Service, invocation: Invocation
) -> SearchUsersAnswer:
    """Raises ResourceNotFoundException for a user or face that is not there."""
    if (request.user_id is None) == (request.face_id is None):
        raise invalid("Give either UserId or FaceId.")
    opened = open_gallery(service, request.collection_id, invocation)
    probe = _probe(opened, request)
    least = _least(request.user_match_threshold)
    with invocation.timed("search"):
        found = (
            []
            if probe is None
            else _users(opened, probe, least, request.max_users, without=request.user_id)
        )
    return SearchUsersAnswer(
        user_matches=found,
        face_model_version=opened.model_version,
        searched_face=SearchedId(face_id=request.face_id) if request.face_id else UNSET,
        searched_user=SearchedId(user_id=request.user_id) if request.user_id else UNSET,
    )


def search_users_by_image(
    request: SearchUsersByImage, service: Service, invocation: Invocation
) -> SearchUsersByImageAnswer:
    """Raises InvalidParameterException for a picture without a face."""
    opened = open_gallery(service, request.collection_id, invocation)
    probe, others = _searched(request.image, request.quality_filter, service, invocation)
    least = _least(request.user_match_threshold)
    with invocation.timed("search"):
        found = _users(opened, _vector(probe), least, request.max_users)
    return SearchUsersByImageAnswer(
        found,
        opened.model_version,
        SearchedFace(probe.detail),
        [UnsearchedFace(face.detail, face.reasons or ("FACE_NOT_LARGEST",)) for face in others],
    )


def _searched(
    image: Image, wanted: Filter | None, service: Service, invocation: Invocation
) -> tuple[Seen, list[Seen]]:
    """The largest face that can be used, with its vector, and the others."""
    reader = PictureReader(service, profile_of(service), invocation)
    chosen = wanted or "NONE"
    try:
        _, faces = reader.read(image, chosen)
        while True:
            face = largest_usable(faces)
            [embedded] = reader.embed([face], chosen)
            faces = [
                replace(each, reasons=embedded.reasons) if each is face else each for each in faces
            ]
            if not embedded.reasons:
                return embedded, [each for each in faces if each.rank != face.rank]
    except ApiError as failure:
        raise about_image(failure) from None


def _probe(opened: Gallery, request: SearchUsers) -> Vector | None:
    """The vector to search with; None for a user without faces."""
    if request.user_id is not None:
        gallery.require_user(opened, request.user_id)
        faces = opened.users.faces(request.user_id)
        return gallery.mean_of(faces) if faces else None
    face = opened.find([request.face_id or ""]).get(request.face_id or "")
    if face is None:
        raise RekognitionError(
            "ResourceNotFoundException", "FaceId: the collection has no such face."
        )
    return face.vector


def _users(
    opened: Gallery, probe: Vector, least: float, most: int | None, without: str | None = None
) -> list[UserMatch]:
    count = most or DEFAULT_MAX
    found = opened.user_matches(probe, least, count + (without is not None))
    return [
        UserMatch(similarity, MatchedUser(user)) for similarity, user in found if user != without
    ][:count]


def _vector(face: Seen) -> Vector:
    assert face.vector is not None
    return face.vector


def _least(threshold: float | None) -> float:
    return DEFAULT_THRESHOLD if threshold is None else threshold
