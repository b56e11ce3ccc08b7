"""Pictures of a person into a collection."""

from collections.abc import Sequence

from msgspec import UNSET, convert

from handler.errors import ApiError, render
from handler.faces.answers import ErrorBody, FaceAnswer, image_answer
from handler.faces.embedding import choose_profile
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.search import answers, names
from handler.search.collection import Collection
from handler.search.probes import Probe, ProbeReader
from handler.search.requests import EnrolOptions, SearchJob, options_of
from handler.search.types import Face

# Errors of one picture, not of the request: the others may still be enrolled.
ABOUT_THE_PICTURE = frozenset({413, 415, 422})


def enrol(
    job: SearchJob, collection: Collection, service: Service, invocation: Invocation
) -> answers.EnrolAnswer:
    """Enrols the faces of the job's pictures as one person's.

    Raises the refusal of the first picture where none has a face that can be enrolled.
    """
    request: EnrolOptions = job.request
    person = names.check_person(request.person)
    options = options_of(request)
    profile = choose_profile(service.model, options)
    contract = profile.contract
    collection.require_contract(contract)
    reader = ProbeReader(service, profile, options, request.face, invocation)
    read = _read(job, reader)
    faces = [
        [] if isinstance(probe, ApiError) else _faces(probe, person, request, contract)
        for probe in read
    ]
    with invocation.timed("store"):
        added = iter(collection.add([face for group in faces for face in group]))
    images = [
        _image(index, probe, [(face, next(added)) for face in group])
        for index, (probe, group) in enumerate(zip(read, faces, strict=True))
    ]
    invocation.note(faces=sum(len(group) for group in faces))
    return answers.EnrolAnswer(
        collection=job.collection,
        person=person,
        images=images,
        gallery=answers.GalleryAnswer(**collection.gallery().as_dict()),
        model=service.describe(profile),
        timings_ms=invocation.timings_ms(),
        request_id=invocation.request_id,
    )


def _read(job: SearchJob, reader: ProbeReader) -> list[Probe | ApiError]:
    """The pictures, or why they cannot be enrolled; raises where that is all of them."""
    read: list[Probe | ApiError] = []
    for index, source in enumerate(job.sources):
        try:
            read.append(reader.read_image(index, source))
        except ApiError as failure:
            if failure.status not in ABOUT_THE_PICTURE:
                raise
            read.append(failure.without_traceback())
    refusals = [each for each in read if isinstance(each, ApiError)]
    if len(refusals) == len(read):
        raise refusals[0]
    return read


def _faces(probe: Probe, person: str, request: EnrolOptions, contract: str) -> list[Face]:
    group = names.person_group(person)
    faces = []
    for index, vector in enumerate(probe.vectors):
        content = probe.content_of(index, request.face)
        key = names.face_key(group, names.face_id(group, content, contract))
        found = probe.face(index)
        faces.append(Face(key, vector, person, box=_box(found.box) if found else None))
    return faces


def _box(edges: Sequence[float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom as left, top, width, height."""
    left, top, right, bottom = edges
    return round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)


def _image(
    index: int, probe: Probe | ApiError, faces: Sequence[tuple[Face, bool]]
) -> answers.EnrolledImage:
    if isinstance(probe, ApiError):
        error = convert(render(probe, "")["error"], ErrorBody)
        return answers.EnrolledImage(index=index, faces=[], error=error)
    shown: list[FaceAnswer] | list[None] = [None] * len(faces)
    if probe.picture is not None:
        shown = image_answer(index, probe.picture, None).faces
    enrolled = [
        answers.EnrolledFace(id=face.id, added=new, face=answer)
        for (face, new), answer in zip(faces, shown, strict=True)
    ]
    return answers.EnrolledImage(index=index, faces=enrolled, error=UNSET)
