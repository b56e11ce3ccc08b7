"""The function with its real handling of events and of S3, and a stand-in for the networks.

The embedding of a picture is made of its SHA-256, so a test can tell from a result which bytes it
was made of. What the networks find in a picture is tested elsewhere.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handler.batch.types import Answer
from handler.environment import Location
from handler.errors import ApiError
from handler.faces.answers import ModelAnswer
from handler.faces.requests import Job
from handler.faces.types import FoundFace, PictureFaces
from handler.invocation import Invocation
from handler.settings import Settings
from handler.sources import recognise

MODEL_ID = "stand-in"
CONTRACT = f"{MODEL_ID}@{'0' * 12}"
DIMENSION = 8
NO_FACE = b"no face:"
POISON = b"poison:"


def embedding_of(data: bytes) -> list[float]:
    """What a result must hold for a picture of these bytes."""
    digest = hashlib.sha256(data).digest()[:DIMENSION]
    return [float(number) for number in digest]


@dataclass(frozen=True)
class StandIn:
    """In place of `handler.faces.service.Service`.

    Args:
        before: Called with each group of pictures before it is embedded.
    """

    settings: Settings
    before: Callable[[Sequence[bytes]], None] = lambda pictures: None

    def describe(self) -> ModelAnswer:
        return ModelAnswer(id=MODEL_ID, contract=CONTRACT, sha256="0" * 64, dimension=DIMENSION)

    def run(self, job: Job, invocation: Invocation) -> dict[str, Any]:
        """The shape of an answer to a request; what it says is tested elsewhere."""
        images = len(job.sources)
        return {"operation": job.operation, "images": images, "request_id": invocation.request_id}

    def embed_pictures(self, pictures: Sequence[bytes], **_clocks: Any) -> list[Answer]:
        self.before(pictures)
        if any(data.startswith(POISON) for data in pictures):
            raise RuntimeError("poison")
        return [embed(data) for data in pictures]


def embed(data: bytes) -> Answer:
    if data.startswith(NO_FACE):
        return ApiError("FaceNotFound", "No face was found in the picture.")
    vector = np.array(embedding_of(data), np.float32)
    face = FoundFace((1.0, 2.0, 11.0, 12.0), np.zeros((5, 2), np.float32), 0.9, embedding=vector)
    return PictureFaces(20, 20, (face,))


def settings(inputs: Sequence[str], output: str, prefix: str = "out", **more: Any) -> Settings:
    return Settings(input_buckets=frozenset(inputs), output=Location(output, prefix), **more)


def invoke(service: StandIn, event: Any, context: Any = None) -> Any:
    """One invocation of the function, short of its cold start."""
    source = recognise(event)
    assert source is not None, "no known kind of event"
    return source.handle(event, Invocation(context), service)  # type: ignore[arg-type]
