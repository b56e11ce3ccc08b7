"""`POST /service`: what the "FaceNet inference on UAI" example answered, exactly.

Behaviour after `facenet_inference.py` of ucloud/uai-sdk (examples/tensorflow/inference/facenet,
Apache-2.0). The pictures are face crops: no detection, resized to the model's input. A FaceNet
(`box` alignment) is prewhitened as there; a model aligned on landmarks finds them in the crop.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from handler.decoding import decode_json
from handler.errors import ApiError
from handler.faces.embedding import choose_profile, vectors_of
from handler.faces.requests import ImageObject, Options, Source, check_count
from handler.faces.service import Service
from handler.invocation import Invocation
from model_layer import distances
from model_layer.manifest import BoxAlignment

LONGEST_DISTANCE = 10
TOO_FEW = "-1"


class UaiRequest(Struct, frozen=True):
    """The example's payload. The example ignored other fields, so they are allowed."""

    images: list[str | ImageObject]
    cnt: int | None = None


def answer(service: Service, body: bytes, invocation: Invocation) -> str:
    """The text that `/service` answers to `body`. Raises ApiError."""
    invocation.note(operation="service", model=service.model.id)
    return MAIN_CLASSES[service.settings.uai_main_class](service, body, invocation)


def _compare(service: Service, body: bytes, invocation: Invocation) -> str:
    """FaceCompareModel: the distance of the first two pictures, `-1` for fewer."""
    sources = _sources(service, body, invocation)
    if len(sources) < 2:
        return TOO_FEW
    vectors = _embed(service, sources[:2], invocation)
    return distance_text(distances(vectors[:1], vectors[1:])[0, 0])


def _embed_all(service: Service, body: bytes, invocation: Invocation) -> str:
    """FaceEmbedModel: a JSON array with one array of numbers per picture."""
    sources = _sources(service, body, invocation)
    texts = map(vector_text, _embed(service, sources, invocation)) if sources else ()
    return f"[{', '.join(texts)}]"


def _embed_one(service: Service, body: bytes, invocation: Invocation) -> str:
    """FaceEmbedModelAutoBatch: the body is one picture, the answer its vector."""
    return vector_text(_embed(service, (body,), invocation)[0])


def _detect(service: Service, body: bytes, invocation: Invocation) -> str:
    """FaceDetectionModel: the body is one picture, the answer [[x1, y1, x2, y2, score], ...]."""
    found = service.find(body, Options(), "all", None, invocation)
    rows = [[*map(float, face.box), face.score] for face in found.faces]
    return msgspec.json.encode(rows).decode()


Answerer = Callable[[Service, bytes, Invocation], str]
MAIN_CLASSES: Mapping[str, Answerer] = MappingProxyType(
    {
        "FaceCompareModel": _compare,
        "FaceEmbedModel": _embed_all,
        "FaceEmbedModelAutoBatch": _embed_one,
        "FaceDetectionModel": _detect,
    }
)


def distance_text(distance: np.float32) -> str:
    """The distance as plain text of at most ten characters, never in exponent form."""
    text = np.format_float_positional(np.float32(distance), unique=True, trim="0")
    return text[:LONGEST_DISTANCE]


def vector_text(vector: NDArray[np.float32]) -> str:
    """A vector as the example printed it: eight decimals, separated by comma and space."""
    return f"[{', '.join(f'{number:.8f}' for number in vector.tolist())}]"


def _sources(service: Service, body: bytes, invocation: Invocation) -> tuple[Source, ...]:
    request: UaiRequest = decode_json(body, UaiRequest)
    check_count(request.cnt, request.images, service.settings.limits)
    invocation.note(images=len(request.images))
    return tuple(request.images)


def _embed(
    service: Service, sources: tuple[Source, ...], invocation: Invocation
) -> NDArray[np.float32]:
    """float32 [N,D] of unit length, one row per face crop."""
    facenet = isinstance(service.model.manifest.alignment, BoxAlignment)
    options = Options(aligned=True, profile="uai" if facenet else "model")
    profile = choose_profile(service.model, options)
    found = []
    for index, source in enumerate(sources):
        try:
            found.append(service.find(source, options, "largest", profile, invocation))
        except ApiError as failure:
            raise failure.about_image(index) from failure
    embedded = service.embed_faces(found, profile, invocation)
    return np.concatenate([vectors_of(picture) for picture in embedded])
