"""The faces of a picture among those of a collection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from handler.errors import ApiError
from handler.faces.answers import Box, FaceAnswer, image_answer
from handler.faces.embedding import choose_profile
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.search import answers
from handler.search.collection import Collection
from handler.search.model import similarity, threshold_at
from handler.search.probes import Probe, ProbeReader
from handler.search.requests import DEFAULT_MAX_FPIR, SearchJob, SearchOptions, options_of
from handler.search.scoring import Candidate, Score, rank
from model_layer.manifest import Manifest

# Extra candidates to score: the person with the nearest face need not have the nearest mean.
MORE_CANDIDATES = 5
FACES_PER_MATCH = 10


@dataclass(frozen=True)
class Decision:
    """The threshold of a match, and its origin."""

    threshold: float
    far: float | None
    max_fpir: float | None = None
    far_wanted: float | None = None


def search(
    job: SearchJob, collection: Collection, service: Service, invocation: Invocation
) -> answers.SearchAnswer:
    """For each face of the job's picture the persons within the threshold, nearest first."""
    request: SearchOptions = job.request
    options = options_of(request)
    profile = choose_profile(service.model, options)
    collection.require_contract(profile.contract)
    reader = ProbeReader(service, profile, options, request.face, invocation)
    probe = reader.read_image(0, job.sources[0])
    with invocation.timed("search"):
        gallery = collection.gallery()
        decision = decide(request, gallery.persons, service.model.manifest)
        ranked = candidates(
            collection, probe.vectors, request.limit + MORE_CANDIDATES, request.score
        )
    invocation.note(faces=len(probe.vectors))
    found = [_matches(each, decision, request.limit, service.model.manifest) for each in ranked]
    return answers.SearchAnswer(
        images=[_image(probe, found)],
        collection=job.collection,
        gallery=answers.GalleryAnswer(**gallery.as_dict()),
        max_fpir=decision.max_fpir,
        far=decision.far,
        far_wanted=UNSET if decision.far_wanted is None else decision.far_wanted,
        threshold=decision.threshold,
        score=request.score,
        model=service.describe(profile),
        timings_ms=invocation.timings_ms(),
        request_id=invocation.request_id,
    )


def candidates(
    collection: Collection, probes: NDArray[np.float32], count: int, score: Score
) -> list[list[Candidate]]:
    """For each of `probes` (float32 [N,D]) the persons with the nearest faces, nearest first."""
    nearest = collection.index.nearest_groups(probes, count)
    groups = sorted({group for groups in nearest for group in groups})
    faces = collection.index.faces(groups) if groups else {}
    return [
        rank(probe, [faces[group] for group in groups], score)
        for probe, groups in zip(probes, nearest, strict=True)
    ]


def decide(request: SearchOptions, persons: int, manifest: Manifest) -> Decision:
    """The threshold of a search among so many persons.

    A stranger is compared with every person, so the chance to be taken for one of them is about
    `persons` times the false-accept rate of one comparison: FAR = max_fpir / persons.
    Raises InvalidRequest for a rate that the model has no table for.
    """
    if request.threshold is not None:
        return Decision(request.threshold, None)
    max_fpir = None if request.far else request.max_fpir or DEFAULT_MAX_FPIR
    wanted = request.far or (max_fpir or 0.0) / max(1, persons)
    found = threshold_at(manifest, wanted)
    if found is None:
        return _decide_without_table(request, manifest)
    missed = None if found.measured else wanted
    return Decision(found.distance, found.far, max_fpir, missed)


def _decide_without_table(request: SearchOptions, manifest: Manifest) -> Decision:
    if request.far is not None or request.max_fpir is not None:
        raise ApiError(
            "InvalidRequest",
            "The model has no table of false-accept rates; give `threshold`.",
            details={"field": "far" if request.far else "max_fpir"},
        )
    return Decision(manifest.threshold, None)


def _matches(
    ranked: Sequence[Candidate], decision: Decision, limit: int, manifest: Manifest
) -> list[answers.Match]:
    near = [each for each in ranked if each.distance <= decision.threshold]
    return [
        answers.Match(
            person=each.person,
            distance=each.distance,
            similarity=similarity(manifest, each.distance),
            faces=[
                answers.MatchedFace(
                    id=hit.face.id,
                    distance=hit.distance,
                    source=hit.face.source or UNSET,
                )
                for hit in each.faces[:FACES_PER_MATCH]
            ],
        )
        for each in near[:limit]
    ]


def _image(probe: Probe, found: Sequence[list[answers.Match]]) -> answers.SearchedImage:
    width = height = None
    faces = [EMBEDDING_FACE] * len(found)
    if probe.picture is not None:
        shown = image_answer(0, probe.picture, None)
        width, height, faces = shown.width, shown.height, shown.faces
    return answers.SearchedImage(
        index=0,
        width=width,
        height=height,
        faces=[
            answers.SearchedFace(**_fields(face), unknown=not matches, matches=matches)
            for face, matches in zip(faces, found, strict=True)
        ],
    )


def _fields(face: FaceAnswer) -> dict[str, Any]:
    return {name: getattr(face, name) for name in face.__struct_fields__}


NOWHERE = Box(0.0, 0.0, 0.0, 0.0)
# The box of an image given as an embedding is unknown.
EMBEDDING_FACE = FaceAnswer(box=NOWHERE, box_ratio=NOWHERE, landmarks=None, score=0.0, quality=None)
