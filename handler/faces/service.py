"""The service: images in, answers out. What it is made of is loaded once, at cold start."""

from collections.abc import Callable, Sequence
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
from handler.faces.embedding import Embedder, EmbeddingProfile, Model, choose_profile, vectors_of
from handler.faces.find import Detector, FaceFinder
from handler.faces.images import PictureReader, read_embedding
from handler.faces.matching import match, nearest_of_first
from handler.faces.requests import ImageObject, Job, Options, Source
from handler.faces.response_size import require_room_for_faces, require_room_for_pairs
from handler.faces.types import PictureFaces
from handler.invocation import Invocation
from handler.settings import Settings
from handler.storage import ObjectReader

AnyAnswer = CompareAnswer | EmbedAnswer | DetectAnswer


@dataclass(frozen=True)
class Service:
    """Compares, embeds and detects. Safe to keep for the life of the function.

    It belongs to one thread, as the detector and the model do.
    """

    settings: Settings
    detector: Detector
    model: Model

    @cached_property
    def reader(self) -> PictureReader:
        """Reads what a request calls an image."""
        return PictureReader(self.settings.limits, ObjectReader(self.settings))

    @cached_property
    def finder(self) -> FaceFinder:
        """Finds the faces of a picture."""
        return FaceFinder(self.detector, self.settings.limits)

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
        answer = operations[job.operation](job, invocation)
        invocation.note(faces=sum(len(image.faces) for image in answer.images))
        return answer

    def detect(self, job: Job, invocation: Invocation) -> DetectAnswer:
        """Where the faces are; a picture without one has an empty list."""
        found = self._find_all(job, None, invocation)
        return DetectAnswer(
            images=answers.image_answers(found), **self._common(self.model.id, invocation)
        )

    def embed(self, job: Job, invocation: Invocation) -> EmbedAnswer:
        """The faces of each image with their embeddings. Raises FaceNotFound naming the image."""
        profile = choose_profile(self.model, job.options)
        embedded = self.embed_faces(self._find_all(job, profile, invocation), profile, invocation)
        return EmbedAnswer(
            images=answers.image_answers(embedded, job.options.encoding),
            **self._common(profile.model_id, invocation),
        )

    def compare(self, job: Job, invocation: Invocation) -> CompareAnswer:
        """The distance of image 0 to the others, and with more than two all distances."""
        profile = choose_profile(self.model, job.options)
        given = [self._given(index, source, profile) for index, source in enumerate(job.sources)]
        found: list[PictureFaces | None] = []
        for index, source in enumerate(job.sources):
            picture = (
                self._find(index, source, job, profile, invocation)
                if given[index] is None
                else None
            )
            found.append(picture)
            faces = [len(each.faces) if each else 1 for each in found]
            require_room_for_pairs(faces, self.settings.limits.response_bytes)
        embedded = iter(self.embed_faces([each for each in found if each], profile, invocation))
        groups = [vector if vector is not None else vectors_of(next(embedded)) for vector in given]
        threshold = job.options.threshold
        if threshold is None:
            threshold = self.model.manifest.threshold
        pairs = match(groups, threshold, self.model.manifest.similarity)
        nearest = nearest_of_first(pairs)
        many = len(job.sources) > 2 or job.rule == "all"
        return CompareAnswer(
            distance=nearest.distance,
            similarity=nearest.similarity,
            same=nearest.same,
            threshold=threshold,
            pairs=pairs if many else UNSET,
            images=answers.image_answers(found),
            **self._common(profile.model_id, invocation),
        )

    def embed_pictures(
        self,
        pictures: Sequence[bytes],
        invocation: Invocation | None = None,
        finding: Invocation | None = None,
    ) -> list[PictureFaces | ApiError]:
        """Every face of each picture with its embedding; chips of all pictures share batches.

        One result per picture, in order: the faces, or why there are none (FaceNotFound,
        InvalidImage, ..., and Timeout for those that time did not reach). `finding` is the
        first half of the work: its time ends before that of `invocation`, so that what is found by
        then can be embedded.
        """
        invocation = invocation or Invocation()
        options = Options()
        profile = choose_profile(self.model, options)
        found = [self._try(data, options, profile, finding or invocation) for data in pictures]
        good = [each for each in found if isinstance(each, PictureFaces)]
        embedded = iter(self.embedder.embed_in_time(good, profile, invocation))
        return [next(embedded) if isinstance(each, PictureFaces) else each for each in found]

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

    def describe(self, model_id: str | None = None) -> ModelAnswer:
        """The model as every answer names it."""
        return ModelAnswer(
            id=model_id or self.model.id,
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
        try:
            found = self.find(source, job.options, _rule(job, index), profile, invocation)
            if profile is not None and not found.faces:
                raise no_face()
        except ApiError as failure:
            raise failure.about_image(index) from failure
        return found

    def _try(
        self, data: bytes, options: Options, profile: EmbeddingProfile, invocation: Invocation
    ) -> PictureFaces | ApiError:
        try:
            found = self.find(data, options, "all", profile, invocation)
        except ApiError as failure:
            return failure.untraced()
        return found if found.faces else no_face()

    def _given(
        self, index: int, source: Source, profile: EmbeddingProfile
    ) -> NDArray[np.float32] | None:
        """The vector [1,D] of an image that is an embedding, else None."""
        if not isinstance(source, ImageObject) or source.embedding is UNSET:
            return None
        try:
            return read_embedding(source, profile.model_id, self.model.dimension)[None]
        except ApiError as failure:
            raise failure.about_image(index) from failure

    def _common(self, model_id: str, invocation: Invocation) -> dict[str, Any]:
        return {
            "model": self.describe(model_id),
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
        raise self.failure.untraced()


AnyService = Service | BrokenService


def ready(service: AnyService) -> Service:
    """The service itself. Raises ModelUnavailable where it could not be made."""
    if isinstance(service, BrokenService):
        service.refuse()
    return service


def no_face() -> ApiError:
    """For a picture without a face, where the request needs one."""
    return ApiError("FaceNotFound", "No face was found in the picture.")


def _rule(job: Job, index: int) -> FaceRule:
    """`all` in a compare means every face of the others; image 0 stays one person."""
    reference = job.operation == "compare" and index == 0
    return "largest" if reference and job.rule == "all" else job.rule
