"""Answers requests about collections."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.faces.embedding import EmbeddingProfile, choose_profile
from handler.faces.requests import Options
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.search import answers, names
from handler.search.catalog import open_collections
from handler.search.collection import Collection, Removed
from handler.search.enrol import enrol
from handler.search.find import search
from handler.search.requests import SearchJob, from_object
from handler.search.scoring import DEFAULT_SCORE, mean_vector


def run(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    """The answer to any operation about collections. Raises ApiError."""
    invocation.note(operation=job.operation, images=len(job.sources), model=service.model.id)
    if getattr(job.request, "delete", False):
        return _run_and_delete(job, service, invocation)
    return OPERATIONS[job.operation](job, service, invocation)


def _run_and_delete(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    """The answer to enrol or search, once whose delivery is sure the uploaded pictures go."""
    from handler.faces import uploads  # most functions have no upload bucket

    keys = uploads.keys_to_delete(job.sources, service.settings)
    answer = OPERATIONS[job.operation](job, service, invocation)
    uploads.delete_afterwards(keys, service.settings, invocation)
    return answer


def run_object(event: Mapping[str, Any], service: Service, invocation: Invocation) -> Any:
    """The answer to a direct invocation's event, or a queue's. Raises ApiError."""
    return run(from_object(event, service.settings.limits), service, invocation)


def person_vectors(
    service: Service, collection: str, person: str, profile: EmbeddingProfile
) -> NDArray[np.float32]:
    """A person as a side of a comparison: float32 [N,D].

    One vector, the mean, or all of the person's, as searches score by default. Raises
    CollectionNotFound, PersonNotFound and ModelMismatch.
    """
    opened = open_collections(service.settings).open(collection)
    opened.require_contract(profile.contract)
    faces = opened.person_vectors(names.check_person(person))
    if DEFAULT_SCORE == "mean":
        return mean_vector(faces)[None]
    return np.stack([face.vector for face in faces])


def _create(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    profile = choose_profile(service.model, Options(flip=job.request.flip))
    collections = open_collections(service.settings)
    made = collections.create(job.collection, profile.contract, service.model.dimension)
    return _collection_answer(job, made, invocation)


def _describe(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    return _collection_answer(job, _open(job, service), invocation)


def _collection_answer(job: SearchJob, collection: Collection, invocation: Invocation) -> Any:
    return answers.CollectionAnswer(
        operation="create_collection"
        if job.operation == "create_collection"
        else "describe_collection",
        collection=collection.record.name,
        contract=collection.record.contract,
        engine=collection.index.engine,
        gallery=answers.GalleryAnswer(**collection.gallery().as_dict()),
        request_id=invocation.request_id,
    )


def _list(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    request = job.request
    found = open_collections(service.settings).names(request.after or "", request.limit + 1)
    shown, after = _paginate(found, request.limit)
    return answers.CollectionsAnswer(
        collections=shown, after=after, request_id=invocation.request_id
    )


def _delete_collection(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    collections = open_collections(service.settings)
    removed = collections.delete(job.collection, _time_check(service, invocation))
    return _removed_answer(job, removed, invocation)


def _persons(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    request = job.request
    after = names.check_person(request.after) if request.after else None
    found = _open(job, service).persons(after, request.limit + 1)
    shown, following = _paginate(found, request.limit)
    return answers.PersonsAnswer(
        collection=job.collection,
        persons=shown,
        after=following,
        request_id=invocation.request_id,
    )


def _person(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    person = names.check_person(job.request.person)
    faces = _open(job, service).person_faces(person)
    return answers.PersonAnswer(
        collection=job.collection,
        person=person,
        faces=[answers.PersonFace(id=face.id, source=face.source) for face in faces],
        request_id=invocation.request_id,
    )


def _delete_person(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    person = names.check_person(job.request.person)
    removed = _open(job, service).delete_person(person, _time_check(service, invocation))
    return _removed_answer(job, removed, invocation)


def _delete_face(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    removed = _open(job, service).delete_face(names.check_face(job.request.face))
    return _removed_answer(job, removed, invocation)


def _enrol(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    return enrol(job, _open(job, service), service, invocation)


def _search(job: SearchJob, service: Service, invocation: Invocation) -> Any:
    return search(job, _open(job, service), service, invocation)


def _open(job: SearchJob, service: Service) -> Collection:
    return open_collections(service.settings).open(job.collection)


def _paginate(found: list[str], limit: int) -> tuple[list[str], str | None]:
    """At most `limit` of what was found, and the last of them where there is more."""
    shown = found[:limit]
    return shown, shown[-1] if len(found) > limit else None


def _time_check(service: Service, invocation: Invocation) -> Callable[[], None]:
    return partial(invocation.require_time, service.settings.limits.time_reserve_ms)


def _removed_answer(job: SearchJob, removed: Removed, invocation: Invocation) -> Any:
    return answers.RemovedAnswer(
        operation=job.operation,  # type: ignore[arg-type]
        collection=job.collection,
        persons=removed.persons,
        faces=list(removed.faces),
        request_id=invocation.request_id,
    )


Operation = Callable[[SearchJob, Service, Invocation], Any]
OPERATIONS: Mapping[str, Operation] = {
    "create_collection": _create,
    "describe_collection": _describe,
    "list_collections": _list,
    "delete_collection": _delete_collection,
    "list_persons": _persons,
    "describe_person": _person,
    "delete_person": _delete_person,
    "delete_face": _delete_face,
    "enrol": _enrol,
    "search": _search,
}
