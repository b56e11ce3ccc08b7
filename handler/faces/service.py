"""The service: images in, answers out. What it is made of is loaded once, at cold start."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NoReturn

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from align import FaceRule
from handler.errors import ApiError
from handler.faces import answers
from handler.faces.answers import CompareAnswer, DetectAnswer, EmbedAnswer, ModelAnswer
from handler.faces.decision import Decision, decide, default_decision
from handler.faces.embedding import Embedder, EmbeddingProfile, Model, choose_profile, vectors_of
from handler.faces.find import Detector, FaceFinder
from handler.faces.images import PictureReader, read_embedding
from handler.faces.matching import match, nearest_of_first
from handler.faces.quality import require_distinct
from handler.faces.requests import ImageObject, Job, Options, Source
from handler.faces.response_size import require_room_for_faces, require_room_for_pairs
from handler.faces.types import PictureFaces
from handler.invocation import Invocation
from handler.settings import Settings
from handler.storage.reader import ObjectReader

# A person of a collection as float32 [N,D]: service, collection, person, profile. Raises ApiError.
PersonVectors = Callable[["Service", str, str, EmbeddingProfile], NDArray[np.float32]]
AnyAnswer = CompareAnswer | EmbedAnswer | DetectAnswer


@dataclass(frozen=True)
class Service:
    """Compares, embeds and detects. Safe to keep for the life of the function.

    It belongs to one thread, as the detector and the model do.
    """

    settings: Settings
    detector: Detector
    model: Model
    persons: "PersonVectors | None" = None

    @cached_property
    def reader(self) -> PictureReader:
        """Reads what a request calls an image."""
        return PictureReader(self.settings.limits, ObjectReader(self.settings))

    @cached_property
    def finder(self) -> FaceFinder:
        """Finds the faces of a picture."""
        return FaceFinder(self.detector, self.settings.limits, self.settings.heic)

    @cached_property
    def embedder(self) -> Embedder:
        """Makes embeddings of chips."""
        return Embedder(self.model, self.settings)

    def run(self, job: Job, invocation: Invocation) -> AnyAnswer:
        """The answer to any operation. Raises ApiError."""
        invocation.note(operation=job.operation, images=len(job.sources), model=self.model.id)
        operations: dict[str, Callable[[Job, Invocation], AnyAnswer]] = {
            "compare": self.compare,
            "embed": self.embed,
            "detect": self.detect,
        }
        if job.options.delete:
            answer = self._run_and_delete(operations[job.operation], job, invocation)
        else:
            answer = operations[job.operation](job, invocation)
        invocation.note(faces=sum(len(image.faces) for image in answer.images))
        return answer

    def _run_and_delete(
        self, operation: Callable[[Job, Invocation], AnyAnswer], job: Job, invocation: Invocation
    ) -> AnyAnswer:
        """The answer; the uploaded pictures are deleted once it can be delivered."""
        from handler.faces import uploads  # most functions have no upload bucket

        keys = uploads.keys_to_delete(job.sources, self.settings)
        answer = operation(job, invocation)
        uploads.delete_afterwards(keys, self.settings, invocation)
        return answer

    def detect(self, job: Job, invocation: Invocation) -> DetectAnswer:
        """Where the faces are; a picture without one has an empty list."""
        found = self._find_all(job, None, invocation)
        return DetectAnswer(
            images=answers.image_answers(found),
            **self._common_fields(choose_profile(self.model, Options()), invocation),
        )

    def embed(self, job: Job, invocation: Invocation) -> EmbedAnswer:
        """The faces of each image with their embeddings. Raises FaceNotFound naming the image."""
        profile = choose_profile(self.model, job.options)
        embedded = self.embed_faces(self._find_all(job, profile, invocation), profile, invocation)
        distinct = [_require_distinct(index, each, job) for index, each in enumerate(embedded)]
        return EmbedAnswer(
            images=answers.image_answers(distinct, job.options.encoding),
            **self._common_fields(profile, invocation),
        )

    def compare(self, job: Job, invocation: Invocation) -> CompareAnswer:
        """The distance of image 0 to the others, and with more than two all distances."""
        profile = choose_profile(self.model, job.options)
        decision = decide(self.model.manifest, self.settings, job.options)
        given = {
            index: vectors
            for index, source in enumerate(job.sources)
            if (vectors := self._read_vectors(index, source, profile)) is not None
        }
        found: dict[int, PictureFaces] = {}
        faces = []
        for index, source in enumerate(job.sources):
            if index not in given:
                found[index] = self._find(index, source, job, profile, invocation)
            faces.append(len(found[index].faces) if index in found else 1)
            require_room_for_pairs(faces, self.settings.limits.response_bytes)
        embedded = self.embed_faces(list(found.values()), profile, invocation)
        seen = {
            index: _require_distinct(index, picture, job)
            for index, picture in zip(found, embedded, strict=True)
        }
        groups = [
            given[index] if index in given else vectors_of(seen[index])
            for index in range(len(job.sources))
        ]
        similarity = self.model.manifest.similarity if profile.calibrated else _no_similarity
        pairs = match(groups, decision.threshold, similarity)
        nearest = nearest_of_first(pairs)
        many = len(job.sources) > 2 or job.rule == "all"
        return CompareAnswer(
            distance=nearest.distance,
            similarity=nearest.similarity,
            same=nearest.same,
            threshold=decision.threshold,
            far=decision.far,
            pairs=pairs if many else UNSET,
            images=answers.image_answers([seen.get(index) for index in range(len(groups))]),
            **self._common_fields(profile, invocation),
        )

    def embed_pictures(
        self,
        pictures: Sequence[bytes],
        invocation: Invocation | None = None,
        finding: Invocation | None = None,
    ) -> list[PictureFaces | ApiError]:
        """Every face of each picture with its embedding; chips of all pictures share batches.

        One result per picture, in order: the faces, or why there are none (FaceNotFound,
        LowQuality, InvalidImage, ..., and Timeout for those that time did not reach). `finding` is
        the first half of the work: its time ends before that of `invocation`, so that what is found
        by then can be embedded.
        """
        invocation = invocation or Invocation()
        options = Options()
        profile = choose_profile(self.model, options)
        found = [self._try_find(data, options, profile, finding or invocation) for data in pictures]
        good = [each for each in found if isinstance(each, PictureFaces)]
        embedded = iter(self.embedder.embed_in_time(good, profile, invocation))
        return [
            _try_require_distinct(next(embedded)) if isinstance(each, PictureFaces) else each
            for each in found
        ]

    def embed_faces(
        self, pictures: Sequence[PictureFaces], profile: EmbeddingProfile, invocation: Invocation
    ) -> list[PictureFaces]:
        """The pictures again, each face with its embedding instead of its chip."""
        return self.embedder.embed(pictures, profile, invocation)

    def find(
        self,
        source: Source,
        options: Options,
        rule: FaceRule,
        profile: EmbeddingProfile | None,
        invocation: Invocation,
    ) -> PictureFaces:
        """The faces of one image, read and looked at. Raises ApiError without the index."""
        require_time = partial(invocation.require_time, self.settings.limits.time_reserve_ms)
        with invocation.timed("read"):
            data = self.reader.read(source, require_time)
        return self.finder.find(
            data, options, rule, profile.alignment if profile else None, invocation
        )

    @cached_property
    def default_decision(self) -> Decision:
        """How a request that names neither `far` nor `threshold` is decided."""
        return default_decision(self.model.manifest, self.settings)

    def describe(self, profile: EmbeddingProfile | None = None) -> ModelAnswer:
        """The model as every answer names it."""
        used = profile or choose_profile(self.model, Options())
        return ModelAnswer(
            id=used.model_id,
            contract=used.contract,
            sha256=self.model.sha256,
            dimension=self.model.dimension,
        )

    def _find_all(
        self, job: Job, profile: EmbeddingProfile | None, invocation: Invocation
    ) -> list[PictureFaces]:
        """All images of a request; with `profile` their faces hold chips, and get embeddings."""
        dimension = self.model.dimension if profile else 0
        limit = self.settings.limits.response_bytes
        found: list[PictureFaces] = []
        for index, source in enumerate(job.sources):
            found.append(self._find(index, source, job, profile, invocation))
            count = sum(len(each.faces) for each in found)
            require_room_for_faces(count, dimension, job.options.encoding, limit)
        return found

    def _find(
        self,
        index: int,
        source: Source,
        job: Job,
        profile: EmbeddingProfile | None,
        invocation: Invocation,
    ) -> PictureFaces:
        """One image of a request; every error names it."""
        with _about_image(index):
            found = self.find(source, job.options, job.rule_at(index), profile, invocation)
            if profile is not None and not found.faces:
                raise no_face()
        return found

    def _try_find(
        self, data: bytes, options: Options, profile: EmbeddingProfile, invocation: Invocation
    ) -> PictureFaces | ApiError:
        try:
            found = self.find(data, options, "all", profile, invocation)
        except ApiError as failure:
            return failure.without_traceback()
        return found if found.faces else no_face()

    def _read_vectors(
        self, index: int, source: Source, profile: EmbeddingProfile
    ) -> NDArray[np.float32] | None:
        """The vectors [N,D] of an image that is an embedding or a person, else None."""
        if not isinstance(source, ImageObject) or source.s3 is not UNSET:
            return None
        with _about_image(index):
            if isinstance(source.person, str):
                return self._person(str(source.collection), source.person, profile)
            return read_embedding(source, profile.contract, self.model.dimension)[None]

    def _person(
        self, collection: str, person: str, profile: EmbeddingProfile
    ) -> NDArray[np.float32]:
        if self.persons is None:
            raise ApiError(
                "CollectionNotFound", "Collections are off: FACENET_COLLECTIONS is not set."
            )
        return self.persons(self, collection, person, profile)

    def _common_fields(self, profile: EmbeddingProfile, invocation: Invocation) -> dict[str, Any]:
        return {
            "model": self.describe(profile),
            "timings_ms": invocation.timings_ms(),
            "request_id": invocation.request_id,
        }


@dataclass(frozen=True)
class BrokenService:
    """Takes the place of a service that could not start."""

    settings: Settings
    failure: ApiError

    def refuse(self) -> NoReturn:
        """Raises the stored failure as a new error.

        One error raised again and again would keep the frames of every call.
        """
        raise self.failure.without_traceback()


AnyService = Service | BrokenService


def ready(service: AnyService) -> Service:
    """The service itself. Raises ModelUnavailable where it could not be made."""
    if isinstance(service, BrokenService):
        service.refuse()
    return service


def no_face() -> ApiError:
    """The error for a picture without a face."""
    return ApiError("FaceNotFound", "No face was found in the picture.")


@contextmanager
def _about_image(index: int) -> Iterator[None]:
    """Every ApiError inside names the image."""
    try:
        yield
    except ApiError as failure:
        raise failure.about_image(index) from failure


def _require_distinct(index: int, picture: PictureFaces, job: Job) -> PictureFaces:
    """The picture with the faces that the model can tell apart. Raises LowQuality naming it."""
    with _about_image(index):
        return require_distinct(picture, job.options.min_quality, job.rule_at(index))


def _try_require_distinct(answer: PictureFaces | ApiError) -> PictureFaces | ApiError:
    """As `_require_distinct`, for a picture of a batch."""
    if isinstance(answer, ApiError):
        return answer
    try:
        return require_distinct(answer, None, "all")
    except ApiError as failure:
        return failure.without_traceback()


def _no_similarity(_distance: float) -> None:
    """The similarity for a profile without calibration."""
