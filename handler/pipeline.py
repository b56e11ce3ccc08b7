"""The service: images in, answers out. What it is made of is loaded once, at cold start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from align import FaceRule
from handler import answers
from handler.answers import CompareAnswer, DetectAnswer, EmbedAnswer, ModelAnswer
from handler.call import Call
from handler.embedding import Embedder, Model, Way, choose_way, vectors_of
from handler.errors import ApiError
from handler.faces import Detector, FaceFinder, PictureFaces
from handler.images import read_embedding, read_picture
from handler.matching import count_pairs, match, nearest_of_first
from handler.objects import ObjectReader
from handler.requests import ImageObject, Job, Options, Source
from handler.settings import Settings

AnyAnswer = CompareAnswer | EmbedAnswer | DetectAnswer


@dataclass(frozen=True)
class Service:
    """Compares, embeds and detects. Safe to keep for the life of the function.

    It belongs to one thread, as the detector and the model do.
    """

    settings: Settings
    detector: Detector
    model: Model

    def run(self, job: Job, call: Call) -> AnyAnswer:
        """The answer to any operation. Raises ApiError."""
        call.note(operation=job.operation, images=len(job.sources), model=self.model.id)
        operations: dict[str, Callable[[Job, Call], AnyAnswer]] = {
            "compare": self.compare,
            "embed": self.embed,
            "detect": self.detect,
        }
        answer = operations[job.operation](job, call)
        call.note(faces=sum(len(image.faces) for image in answer.images))
        return answer

    def detect(self, job: Job, call: Call) -> DetectAnswer:
        """Where the faces are; a picture without one has an empty list."""
        found = self._find_all(job, None, call)
        return DetectAnswer(
            images=answers.image_answers(found), **self._common(self.model.id, call)
        )

    def embed(self, job: Job, call: Call) -> EmbedAnswer:
        """The faces of each image with their embeddings. Raises FaceNotFound naming the image."""
        way = choose_way(self.model, job.options)
        embedded = self.embed_faces(self._find_all(job, way, call), way, call)
        return EmbedAnswer(
            images=answers.image_answers(embedded, job.options.encoding),
            **self._common(way.model_id, call),
        )

    def compare(self, job: Job, call: Call) -> CompareAnswer:
        """The distance of image 0 to the others, and with more than two all distances."""
        way = choose_way(self.model, job.options)
        given = [self._given(index, source, way) for index, source in enumerate(job.sources)]
        found: list[PictureFaces | None] = []
        for index, source in enumerate(job.sources):
            picture = self._find(index, source, job, way, call) if given[index] is None else None
            found.append(picture)
            faces = [len(each.faces) if each else 1 for each in found]
            self._require_room(count_pairs(faces) * answers.SHORTEST_PAIR)
        embedded = iter(self.embed_faces([each for each in found if each], way, call))
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
            **self._common(way.model_id, call),
        )

    def embed_pictures(
        self, pictures: Sequence[bytes], call: Call | None = None, finding: Call | None = None
    ) -> list[PictureFaces | ApiError]:
        """Every face of each picture with its embedding; chips of all pictures share batches.

        One result per picture, in order: the faces, or why there are none (FaceNotFound,
        InvalidImage, ..., and Timeout for those that time did not reach). `finding` is the clock
        of the first half of the work: it ends before `call` does, so that what is found by then
        can be embedded.
        """
        call = call or Call()
        options = Options()
        way = choose_way(self.model, options)
        found = [self._try(data, options, way, finding or call) for data in pictures]
        good = [each for each in found if isinstance(each, PictureFaces)]
        embedder = Embedder(self.model, self.settings)
        embedded = iter(embedder.embed_in_time(good, way, call))
        return [next(embedded) if isinstance(each, PictureFaces) else each for each in found]

    def embed_faces(
        self, pictures: Sequence[PictureFaces], way: Way, call: Call
    ) -> list[PictureFaces]:
        """The pictures again, each face with its embedding instead of its chip."""
        return Embedder(self.model, self.settings).embed(pictures, way, call)

    def find(
        self, source: Source, options: Options, rule: FaceRule, way: Way | None, call: Call
    ) -> PictureFaces:
        """The faces of one image, read and looked at. Raises ApiError without the index."""
        reserve = self.settings.limits.time_reserve_ms
        objects = ObjectReader(self.settings, partial(call.require_time, reserve))
        with call.timed("read"):
            data = read_picture(source, self.settings.limits, objects.read)
        finder = FaceFinder(self.detector, self.settings.limits)
        return finder.find(data, options, rule, way.alignment if way else None, call)

    def describe(self, model_id: str | None = None) -> ModelAnswer:
        """The model as every answer names it."""
        return ModelAnswer(
            id=model_id or self.model.id,
            sha256=self.model.sha256,
            dimension=self.model.dimension,
        )

    def _find_all(self, job: Job, way: Way | None, call: Call) -> list[PictureFaces]:
        """All images of a request; with `way` their faces hold chips, and get embeddings."""
        size = answers.shortest_face(self.model.dimension if way else 0, job.options.encoding)
        found: list[PictureFaces] = []
        for index, source in enumerate(job.sources):
            found.append(self._find(index, source, job, way, call))
            self._require_room(sum(len(each.faces) for each in found) * size)
        return found

    def _require_room(self, size: int) -> None:
        """Before the work: raises ResponseTooLarge where its answer has `size` bytes at least."""
        answers.require_payload(size, self.settings.limits.response_bytes)

    def _find(
        self, index: int, source: Source, job: Job, way: Way | None, call: Call
    ) -> PictureFaces:
        """One image of a request; every error names it."""
        try:
            found = self.find(source, job.options, _rule(job, index), way, call)
            if way is not None and not found.faces:
                raise no_face()
        except ApiError as failure:
            raise failure.about_image(index) from failure
        return found

    def _try(self, data: bytes, options: Options, way: Way, call: Call) -> PictureFaces | ApiError:
        try:
            found = self.find(data, options, "all", way, call)
        except ApiError as failure:
            return failure.untraced()
        return found if found.faces else no_face()

    def _given(self, index: int, source: Source, way: Way) -> NDArray[np.float32] | None:
        """The vector [1,D] of an image that is an embedding, else None."""
        if not isinstance(source, ImageObject) or source.embedding is UNSET:
            return None
        try:
            return read_embedding(source, way.model_id, self.model.dimension)[None]
        except ApiError as failure:
            raise failure.about_image(index) from failure

    def _common(self, model_id: str, call: Call) -> dict[str, Any]:
        return {
            "model": self.describe(model_id),
            "timings_ms": call.timings_ms(),
            "request_id": call.request_id,
        }


def no_face() -> ApiError:
    """The picture has no face, and one was needed."""
    return ApiError("FaceNotFound", "No face was found in the picture.")


def _rule(job: Job, index: int) -> FaceRule:
    """`all` in a compare means every face of the others; image 0 stays one person."""
    reference = job.operation == "compare" and index == 0
    return "largest" if reference and job.rule == "all" else job.rule
