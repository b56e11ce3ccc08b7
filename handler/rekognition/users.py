"""CreateUser, ListUsers, DeleteUser, AssociateFaces, DisassociateFaces."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import ids
from handler.rekognition.errors import RekognitionError
from handler.rekognition.gallery import (
    Face,
    Gallery,
    comes_from_a_bucket,
    open_gallery,
    require_user,
    shown,
)
from handler.rekognition.names import (
    USER_ID,
    CollectionId,
    FaceId,
    MaxUsers,
    Percent,
    RequestToken,
    UserId,
)

DEFAULT_ASSOCIATION = 75.0
MOST_USERS = 500
READERS = 16

FaceIds = Annotated[list[FaceId], Meta(min_length=1, max_length=100)]


class CreateUser(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A user without faces."""

    collection_id: CollectionId
    user_id: UserId
    client_request_token: RequestToken | None = None


class DeleteUser(CreateUser, frozen=True, kw_only=True, rename="pascal"):
    """A user, whose faces stay in the collection."""


class ListUsers(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A page of users."""

    collection_id: CollectionId
    max_results: MaxUsers | None = None
    next_token: str | None = None


class AssociateFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Faces that become a user's, where they are similar enough to the user's own."""

    collection_id: CollectionId
    user_id: UserId
    face_ids: FaceIds
    user_match_threshold: Percent | None = None
    client_request_token: RequestToken | None = None


class DisassociateFaces(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Faces that are a user's no more."""

    collection_id: CollectionId
    user_id: UserId
    face_ids: FaceIds
    client_request_token: RequestToken | None = None


class Nothing(Struct, frozen=True):
    """An answer without members."""


class User(Struct, frozen=True, rename="pascal"):
    """CREATED without faces, ACTIVE with."""

    user_id: str
    user_status: str


class ListUsersAnswer(Struct, frozen=True, rename="pascal"):
    """A page, and the token for the next one."""

    users: list[User]
    next_token: str | UnsetType = UNSET


class FaceOfUser(Struct, frozen=True, rename="pascal"):
    """A face that was moved."""

    face_id: str


class NotMoved(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A face that was not moved, and why."""

    face_id: str
    reasons: list[str]
    user_id: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET


class AssociateFacesAnswer(Struct, frozen=True, rename="pascal"):
    """What became of each face."""

    associated_faces: list[FaceOfUser]
    unsuccessful_face_associations: list[NotMoved]
    user_status: str


class DisassociateFacesAnswer(Struct, frozen=True, rename="pascal"):
    """What became of each face."""

    disassociated_faces: list[FaceOfUser]
    unsuccessful_face_disassociations: list[NotMoved]
    user_status: str


def create_user(request: CreateUser, service: Service, invocation: Invocation) -> Nothing:
    """The same request once more, told by its token, changes nothing. Raises ConflictException."""
    opened = open_gallery(service, request.collection_id, invocation)
    there = opened.users.create(request.user_id, request.client_request_token)
    token = request.client_request_token
    if there is not None and (token is None or there.token != token):
        raise RekognitionError("ConflictException", "UserId: the user exists already.")
    return Nothing()


def list_users(request: ListUsers, service: Service, invocation: Invocation) -> ListUsersAnswer:
    """Raises InvalidPaginationTokenException."""
    opened = open_gallery(service, request.collection_id, invocation)
    size = request.max_results or MOST_USERS
    found = opened.users.names(ids.read_token(request.next_token, USER_ID), size + 1)
    page = found[:size]
    with ThreadPoolExecutor(READERS) as pool:
        states = pool.map(partial(_status, opened), page)
        users = [User(name, state) for name, state in zip(page, states, strict=True)]
    return ListUsersAnswer(
        users,
        ids.make_token(page[-1]) if len(found) > size else UNSET,
    )


def delete_user(request: DeleteUser, service: Service, invocation: Invocation) -> Nothing:
    """The same request once more, told by its token, changes nothing.

    Raises ResourceNotFoundException.
    """
    opened = open_gallery(service, request.collection_id, invocation)
    token = request.client_request_token
    if opened.users.was_deleted_by(request.user_id, token):
        return Nothing()
    require_user(opened, request.user_id)
    for face in opened.users.faces(request.user_id):
        opened.release(face)
    opened.users.delete(request.user_id, token)
    return Nothing()


def associate_faces(
    request: AssociateFaces, service: Service, invocation: Invocation
) -> AssociateFacesAnswer:
    """The first face of a user without faces needs no likeness. Raises RekognitionError."""
    opened = open_gallery(service, request.collection_id, invocation)
    require_user(opened, request.user_id)
    least = request.user_match_threshold
    found = opened.find(request.face_ids)
    user = _Associating(
        opened,
        request.user_id,
        DEFAULT_ASSOCIATION if least is None else least,
        opened.users.faces(request.user_id),
    )
    done: list[FaceOfUser] = []
    refused: list[NotMoved] = []
    for name in dict.fromkeys(request.face_ids):
        problem = user.take(name, found.get(name))
        if problem is None:
            done.append(FaceOfUser(name))
        else:
            refused.append(problem)
    return AssociateFacesAnswer(done, refused, "ACTIVE" if user.faces else "CREATED")


def disassociate_faces(
    request: DisassociateFaces, service: Service, invocation: Invocation
) -> DisassociateFacesAnswer:
    """Raises RekognitionError."""
    opened = open_gallery(service, request.collection_id, invocation)
    require_user(opened, request.user_id)
    found = opened.find(request.face_ids)
    done: list[FaceOfUser] = []
    refused: list[NotMoved] = []
    for name in dict.fromkeys(request.face_ids):
        face = found.get(name)
        owner = UNSET if face is None else shown(face).user_id
        if face is None or owner is UNSET:
            refused.append(NotMoved(face_id=name, reasons=["FACE_NOT_FOUND"]))
        elif owner != request.user_id:
            refused.append(_of_another(name, owner))
        else:
            opened.release(face)
            done.append(FaceOfUser(name))
    return DisassociateFacesAnswer(done, refused, _status(opened, request.user_id))


@dataclass(frozen=True)
class _Associating:
    """A user while faces are associated; `faces` are the user's so far."""

    opened: Gallery
    user: str
    least: float
    faces: list[Face]

    def take(self, name: str, face: Face | None) -> NotMoved | None:
        """Moves one face to the user; else gives the reason."""
        if face is None or comes_from_a_bucket(face):
            return NotMoved(face_id=name, reasons=["FACE_NOT_FOUND"])
        owner = shown(face).user_id
        if owner is not UNSET:
            return None if owner == self.user else _of_another(name, owner)
        likeness = self.opened.likeness(face, self.faces) if self.faces else 100.0
        if likeness < self.least:
            reasons = ["LOW_MATCH_CONFIDENCE"]
            return NotMoved(face_id=name, user_id=self.user, confidence=likeness, reasons=reasons)
        self.faces.append(self.opened.give(face, self.user))
        return None


def _of_another(name: str, owner: str | UnsetType) -> NotMoved:
    return NotMoved(face_id=name, user_id=owner, reasons=["ASSOCIATED_TO_A_DIFFERENT_USER"])


def _status(opened: Gallery, user: str) -> str:
    return "ACTIVE" if opened.users.has_faces(user) else "CREATED"
