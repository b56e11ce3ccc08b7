"""The service: images in, answers out. What it is made of is loaded once, at cold start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

import align
from handler import answers
from handler.answers import CompareAnswer, DetectAnswer, EmbedAnswer, ModelAnswer
from handler.call import Call
from handler.errors import ApiError
from handler.faces import Alignment, Detector, FaceFinder, FoundFace, PictureFaces
from handler.images import read_embedding, read_picture
from handler.matching import match, nearest_of_first
from handler.objects import ObjectReader
from handler.requests import ImageObject, Job, Options, Source
from handler.settings import Settings
from model_layer.errors import ModelError
from model_layer.manifest import BoxAlignment, Manifest

# davidsandberg/facenet's margin for 160-pixel chips as the UAI example packs them.
UAI_MARGIN = 44


class Model(Protocol):
    """What the handler needs of `model_layer.Model`; tests bring their own."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def id(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(
        self, chips: NDArray[np.uint8], *, flip: bool = False, standardization: Any = None
    ) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Way:
    """How faces become embeddings: the model's own way, or the UAI example's."""

    alignment: Alignment
    standardization: str | None
    model_id: str
    flip: bool = False


@dataclass(frozen=True)
class Service:
    """Compares, embeds and detects. Safe to keep for the life of the function."""

    settings: Settings
    detector: Detector
    model: Model

    def run(self, job: Job, call: Call) -> CompareAnswer | EmbedAnswer | DetectAnswer:
        """The answer to any operation. Raises ApiError."""
        call.note(operation=job.operation, images=len(job.sources), model=self.model.id)
        operations: dict[str, Callable[[Job, Call], Any]] = {
            "compare": self.compare,
            "embed": self.embed,
            "detect": self.detect,
        }
        answer: CompareAnswer | EmbedAnswer | DetectAnswer = operations[job.operation](job, call)
        call.note(faces=sum(len(image.faces) for image in answer.images))
        return answer

    def detect(self, job: Job, call: Call) -> DetectAnswer:
        """Where the faces are; a picture without one has an empty list."""
        found = [
            self._find(index, source, job, None, call) for index, source in enumerate(job.sources)
        ]
        return DetectAnswer(
            images=answers.image_answers(found),
            **self._common(self.model.id, call),
        )

    def embed(self, job: Job, call: Call) -> EmbedAnswer:
        """The faces of each image with their embeddings. Raises FaceNotFound naming the image."""
        way = self.way(job.options)
        found = [
            self._find(index, source, job, way, call) for index, source in enumerate(job.sources)
        ]
        embedded = self.embed_faces(found, way, call)
        return EmbedAnswer(
            images=answers.image_answers(embedded, job.options.encoding),
            **self._common(way.model_id, call),
        )

    def compare(self, job: Job, call: Call) -> CompareAnswer:
        """The distance of image 0 to the others, and with more than two all distances."""
        way = self.way(job.options)
        given = [self._given(index, source, way) for index, source in enumerate(job.sources)]
        found = [
            self._find(index, source, job, way, call) if given[index] is None else None
            for index, source in enumerate(job.sources)
        ]
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
            images=answers.image_answers(found),
            pairs=pairs if many else UNSET,
            **self._common(way.model_id, call),
        )

    def embed_pictures(
        self, pictures: Sequence[bytes], call: Call | None = None
    ) -> list[PictureFaces | ApiError]:
        """Every face of each picture with its embedding; chips of all pictures share batches.

        One result per picture, in order: the faces, or why there are none (FaceNotFound,
        InvalidImage, ..., and Timeout for those that time did not reach).
        """
        call = call or Call()
        job = Job("embed", (), Options(face="all"))
        way = self.way(job.options)
        found = [self._try(data, job, way, call) for data in pictures]
        good = [each for each in found if isinstance(each, PictureFaces)]
        embedded = iter(self.embed_faces(good, way, call))
        return [next(embedded) if isinstance(each, PictureFaces) else each for each in found]

    def embed_faces(
        self, pictures: Sequence[PictureFaces], way: Way, call: Call
    ) -> list[PictureFaces]:
        """The pictures again, each face with its embedding instead of its chip."""
        chips = [face.chip for picture in pictures for face in picture.faces]
        vectors = iter(self._embed_chips([chip for chip in chips if chip is not None], way, call))
        return [
            replace(picture, faces=tuple(_embedded(face, next(vectors)) for face in picture.faces))
            for picture in pictures
        ]

    def way(self, options: Options) -> Way:
        """How this request's faces become embeddings.

        Raises InvalidRequest for the profile `uai` with a model that has no such form.
        """
        own = self.model.manifest.alignment
        if options.profile == "uai":
            if not isinstance(own, BoxAlignment):
                raise ApiError(
                    "InvalidRequest",
                    f"profile: {self.model.id} is no FaceNet of the UAI example's form.",
                    details={"field": "profile"},
                )
            alignment = align.BoxAlignment(own.size, UAI_MARGIN)
            return Way(alignment, "prewhiten", f"{self.model.id}+uai", options.flip)
        return Way(_alignment(self.model.manifest), None, self.model.id, options.flip)

    def find(
        self, source: Source, job: Job, rule: str, way: Way | None, call: Call
    ) -> PictureFaces:
        """The faces of one image, read and looked at. Raises ApiError without the index."""
        objects = ObjectReader(self.settings)
        with call.timed("read"):
            data = read_picture(source, self.settings.limits, objects.read)
        finder = FaceFinder(self.detector, self.settings.limits)
        return finder.find(data, job, rule, way.alignment if way else None, call)

    def describe(self, model_id: str | None = None) -> ModelAnswer:
        """The model as every answer names it."""
        return ModelAnswer(
            id=model_id or self.model.id,
            sha256=self.model.sha256,
            dimension=self.model.dimension,
        )

    def _find(
        self, index: int, source: Source, job: Job, way: Way | None, call: Call
    ) -> PictureFaces:
        """One image of a request; every error names it. Image 0 of a compare has one face."""
        try:
            found = self.find(source, job, _rule(job, index), way, call)
            if way is not None and not found.faces:
                raise no_face()
        except ApiError as failure:
            raise failure.about_image(index) from failure
        return found

    def _try(self, data: bytes, job: Job, way: Way, call: Call) -> PictureFaces | ApiError:
        try:
            found = self.find(data, job, job.rule, way, call)
        except ApiError as failure:
            return failure
        return found if found.faces else no_face()

    def _given(self, index: int, source: Source, way: Way) -> NDArray[np.float32] | None:
        """The vector [1,D] of an image that is an embedding, else None."""
        if not isinstance(source, ImageObject) or source.embedding is UNSET:
            return None
        try:
            return read_embedding(source, way.model_id, self.model.dimension)[None]
        except ApiError as failure:
            raise failure.about_image(index) from failure

    def _embed_chips(
        self, chips: Sequence[NDArray[np.uint8]], way: Way, call: Call
    ) -> list[NDArray[np.float32]]:
        size = self.settings.chips_per_batch
        batches = [chips[start : start + size] for start in range(0, len(chips), size)]
        return [vector for batch in batches for vector in self._embed_batch(batch, way, call)]

    def _embed_batch(
        self, chips: Sequence[NDArray[np.uint8]], way: Way, call: Call
    ) -> NDArray[np.float32]:
        call.require_time(self.settings.limits.time_reserve_ms)
        with call.timed("embed"):
            try:
                vectors = self.model.embed(
                    np.stack(chips), flip=way.flip, standardization=way.standardization
                )
            except ModelError as failure:
                raise ApiError.from_library(failure) from failure
        if not np.isfinite(vectors).all():
            raise ApiError.internal()
        return vectors

    def _common(self, model_id: str, call: Call) -> dict[str, Any]:
        return {
            "model": self.describe(model_id),
            "timings_ms": call.timings_ms(),
            "request_id": call.request_id,
        }


def no_face() -> ApiError:
    """The picture has no face, and one was needed."""
    return ApiError("FaceNotFound", "No face was found in the picture.")


def _rule(job: Job, index: int) -> str:
    """`all` in a compare means every face of the others; image 0 stays one person."""
    reference = job.operation == "compare" and index == 0
    return "largest" if reference and job.rule == "all" else job.rule


def _alignment(manifest: Manifest) -> Alignment:
    own = manifest.alignment
    if isinstance(own, BoxAlignment):
        return align.BoxAlignment(own.size, own.margin)
    return align.SimilarityAlignment(own.size)


def _embedded(face: FoundFace, vector: NDArray[np.float32]) -> FoundFace:
    return replace(face, embedding=vector, chip=None)


def vectors_of(picture: PictureFaces) -> NDArray[np.float32]:
    """The embeddings of a picture's faces, float32 [N,D]."""
    return np.stack([face.embedding for face in picture.faces if face.embedding is not None])
