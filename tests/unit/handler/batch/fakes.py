"""Storage and embedding without S3 and without a model, for tests of batches."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from handler.batch.deadline import Deadline
from handler.batch.output import Output
from handler.batch.run import Batch, BatchLimits
from handler.batch.types import Answer
from handler.errors import ApiError
from handler.faces.types import FoundFace, PictureFaces
from handler.storage.faults import ObjectGone
from handler.storage.types import ObjectReference, StoredObject

BUCKET = "example-photos"
MODEL = {"id": "tiny", "contract": "tiny@0123456789ab", "sha256": "ab" * 32, "dimension": 4}
NO_FACE = b"no face"
POISON = b"poison"


def etag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def embedding_of(data: bytes) -> np.ndarray:
    """Four numbers that tell one picture from another."""
    return np.frombuffer(hashlib.sha256(data).digest()[:4], np.uint8).astype(np.float32)


def embed_pictures(pictures: Sequence[bytes]) -> list[Answer]:
    """A face for each picture; NO_FACE has none, POISON breaks the whole group."""
    if POISON in pictures:
        raise RuntimeError("the detector fell over")
    return [
        ApiError("FaceNotFound", "No face was found in the picture.")
        if data == NO_FACE
        else PictureFaces(40, 30, (face(data),))
        for data in pictures
    ]


def face(data: bytes) -> FoundFace:
    landmarks = np.zeros((5, 2), np.float32)
    return FoundFace((1.0, 2.0, 11.0, 12.0), landmarks, 0.9, embedding=embedding_of(data))


@dataclass
class FakeStore:
    """Objects by bucket and key; `faults` are raised by the reads and writes of a key, in turn."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    image_bytes: int = 1000

    def add(self, key: str, data: bytes, bucket: str = BUCKET) -> ObjectReference:
        self.objects[bucket, key] = data
        return ObjectReference(bucket, key)

    def fetch(self, reference: ObjectReference) -> StoredObject:
        with self.lock:
            self.reads.append(reference.key)
        self.fail(reference.key)
        if (reference.bucket, reference.key) not in self.objects:
            raise ObjectGone
        data = self.objects[reference.bucket, reference.key]
        kept = data if len(data) <= self.image_bytes else b""
        return StoredObject(etag_of(data), reference.version_id, len(data), kept)

    def put_new(self, key: str, body: bytes) -> bool:
        self.fail(key)
        with self.lock:
            return self.results.setdefault(key, body) is body

    def fail(self, key: str) -> None:
        with self.lock:
            faults = self.faults.get(key)
            fault = faults.pop(0) if faults else None
        if fault is not None:
            raise fault

    def decoded(self) -> dict[str, dict]:
        """The results by the key of their object."""
        documents = [msgspec.json.decode(body) for body in self.results.values()]
        return {document["object"]["key"]: document for document in documents}


def batch(
    store: FakeStore,
    embed: Callable[[Sequence[bytes]], Sequence[Answer]] = embed_pictures,
    deadline: Deadline | None = None,
    **limits: int,
) -> Batch:
    return Batch(
        store=store,
        embed_pictures=embed,
        output=Output("example-faces", "out", MODEL),
        buckets=frozenset({BUCKET}),
        deadline=deadline or Deadline(),
        request_id="an invocation",
        limits=BatchLimits(image_bytes=store.image_bytes, **limits),
    )


def result_key(reference: ObjectReference, data: bytes) -> str:
    identity = reference.version_id or etag_of(data)
    return f"out/{reference.bucket}/{reference.key}/{identity}.tiny@0123456789ab.json"
