"""Amazon S3 Vectors as the index: one vector index for each making of a collection.

It has no conditional writes, so every write is idempotent: the same key gets the same vector. What
a query finds is scored only after the truth has confirmed it, so a vector that a crash left behind
is never an answer. Distances are computed here, from the vectors: the service's own are rounded and
its euclidean metric is not said to be a distance or its square.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html
"""

import functools
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.errors import ApiError
from handler.search import gallery, names
from handler.search.truth import Truth
from handler.search.types import CollectionRecord, Engine, Face, Gallery, ObjectSource
from handler.storage.clients import quiet_client
from handler.storage.faults import Fault, code_of, fault_of

MOST_FACES = 50_000_000  # of the service's 2,000,000,000; beyond, a search takes long
PUT_BATCH = 500
DELETE_BATCH = 500
GET_BATCH = 100
LIST_PAGE = 1000
TOP_K = 100
# A person with a thousand faces would fill a query's hundred answers: what is found is left out of
# the next query, so often at most.
QUERY_ROUNDS = 4
WORKERS = 8
GALLERY_SECONDS = 60.0
# Cannot be changed after an index is created.
UNFILTERED = ["person", "bucket", "key", "box", "note"]


@dataclass(eq=False)
class VectorsIndex:
    """The faces of one collection in a vector index of `bucket`."""

    truth: Truth
    record: CollectionRecord
    bucket: str
    client: Any
    most_faces: int = MOST_FACES
    engine: ClassVar[Engine] = "s3vectors"
    _counted: dict[str, tuple[float, Gallery]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """3 to 63 lower-case letters, digits, dots and hyphens."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.record.name.lower()).strip("-")[:20] or "faces"
        rest = names.digest(f"{self.record.name}\n{self.record.generation}")[:32]
        return f"{plain}-{rest}"

    def create(self) -> None:
        """Makes the vector index; one that is there is left alone."""
        try:
            self._call(
                "create_index",
                dataType="float32",
                dimension=self.record.dimension,
                distanceMetric="euclidean",
                metadataConfiguration={"nonFilterableMetadataKeys": UNFILTERED},
            )
        except VectorsConflict:
            return

    def upsert(self, faces: Sequence[Face]) -> None:
        for batch in _batches(faces, PUT_BATCH):
            vectors = [_as_vector(face) for face in batch]
            try:
                self._call("put_vectors", vectors=vectors)
            except VectorsNotFound:  # a crash before the index was made
                self.create()
                self._call("put_vectors", vectors=vectors)

    def delete(self, keys: Sequence[str]) -> None:
        for batch in _batches(keys, DELETE_BATCH):
            try:
                self._call("delete_vectors", keys=list(batch))
            except VectorsNotFound:
                return

    def nearest_groups(self, probes: NDArray[np.float32], count: int) -> list[list[str]]:
        return _in_parallel(lambda probe: self._nearest(probe, count), list(probes))

    def faces(self, groups: Sequence[str]) -> dict[str, list[Face]]:
        return dict(zip(groups, _in_parallel(self._read_group, groups), strict=True))

    def gallery(self, *, fresh: bool = True) -> Gallery:
        """As the truth says. An estimate is made again after a minute, a small count each time."""
        held = self._counted.get("gallery")
        recent = held is not None and time.monotonic() - held[0] < GALLERY_SECONDS
        if held is None or not recent or (fresh and not held[1].estimated):
            held = time.monotonic(), gallery.count(self.truth, self.record.prefix)
            self._counted["gallery"] = held
        return held[1]

    def stored_keys(self) -> set[str]:
        found: set[str] = set()
        token: dict[str, str] = {}
        try:
            while True:
                page = self._call("list_vectors", maxResults=LIST_PAGE, **token)
                found |= {row["key"] for row in page["vectors"]}
                if not page.get("nextToken"):
                    return found
                token = {"nextToken": page["nextToken"]}
        except VectorsNotFound:
            return found

    def drop(self) -> None:
        try:
            self._call("delete_index")
        except VectorsNotFound:
            return

    def _nearest(self, probe: NDArray[np.float32], count: int) -> list[str]:
        """The groups of the nearest vectors, whatever the truth says of them."""
        found: dict[str, None] = {}
        for _ in range(QUERY_ROUNDS):
            keys = self._query(probe, list(found))
            found.update(dict.fromkeys(map(names.group_of_key, keys)))
            if len(found) >= count or len(keys) < TOP_K:
                break
        return list(found)[:count]

    def _query(self, probe: NDArray[np.float32], without: Sequence[str]) -> list[str]:
        filtered = {"filter": {"group": {"$nin": list(without)}}} if without else {}
        try:
            answer = self._call(
                "query_vectors",
                topK=TOP_K,
                queryVector={"float32": probe.astype(float).tolist()},
                returnDistance=True,
                **filtered,
            )
        except VectorsNotFound:
            return []
        rows = sorted(answer["vectors"], key=lambda row: float(row.get("distance", 0.0)))
        return [row["key"] for row in rows]

    def _read_group(self, group: str) -> list[Face]:
        prefix = self.record.prefix
        keys = [key[len(prefix) :] for key in self.truth.keys(prefix + names.keys_below(group))]
        rows: list[Any] = []
        for batch in _batches(keys, GET_BATCH):
            try:
                rows += self._call(
                    "get_vectors", keys=list(batch), returnData=True, returnMetadata=True
                )["vectors"]
            except VectorsNotFound:
                return []
        return sorted(map(_as_face, rows), key=lambda face: face.key)

    def _call(self, operation: str, **arguments: Any) -> Any:
        """One call; `create_index` and all others name the same index.

        Raises VectorsNotFound, VectorsConflict and ApiError.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, operation)(
                vectorBucketName=self.bucket, indexName=self.name, **arguments
            )
        except ClientError as failure:
            raise _translate(failure) from None
        except (BotoCoreError, OSError):
            raise vectors_unavailable() from None


class VectorsNotFound(Exception):  # noqa: N818 - after the service's own name
    """The index is not there, or not yet."""


class VectorsConflict(Exception):  # noqa: N818 - after the service's own name
    """The index is there already."""


def vectors_unavailable() -> ApiError:
    """The service refused, or was not reached, for a reason that passes."""
    return ApiError("StorageUnavailable", "S3 Vectors could not be reached just now; try again.")


def _translate(failure: Any) -> Exception:
    code = code_of(failure)
    if code == "NotFoundException":
        return VectorsNotFound()
    if code == "ConflictException":
        return VectorsConflict()
    if code == "ServiceQuotaExceededException":
        return ApiError("CollectionFull", "S3 Vectors has no room left for this collection.")
    if code == "AccessDeniedException" or fault_of(failure) is Fault.REFUSED:
        return ApiError(
            "StorageUnavailable",
            "S3 Vectors refused access: check the function's role and its KMS key.",
            retryable=False,
            fixable=True,
        )
    return vectors_unavailable()


@functools.cache
def vectors_client() -> Any:
    """The client of S3 Vectors; the first search makes it."""
    return quiet_client("s3vectors", total_max_attempts=4)


def _as_vector(face: Face) -> dict[str, Any]:
    metadata = {"group": face.group}
    if face.person is not None:
        metadata["person"] = face.person
    if face.source is not None:
        metadata |= {"bucket": face.source.bucket, "key": face.source.key}
    if face.box is not None:  # as text: which kinds of lists metadata may hold is not documented
        metadata["box"] = " ".join(f"{edge:g}" for edge in face.box)
    if face.note is not None:
        metadata["note"] = msgspec.json.encode(face.note).decode()
    data = {"float32": face.vector.astype(float).tolist()}
    return {"key": face.key, "data": data, "metadata": metadata}


def _as_face(row: Any) -> Face:
    metadata = row.get("metadata") or {}
    source, box = None, None
    if "bucket" in metadata:
        source = ObjectSource(bucket=metadata["bucket"], key=metadata["key"])
    if "box" in metadata:
        left, top, width, height = (float(edge) for edge in metadata["box"].split())
        box = (left, top, width, height)
    vector = np.asarray(row["data"]["float32"], np.float32)
    note = msgspec.json.decode(metadata["note"]) if "note" in metadata else None
    return Face(row["key"], vector, metadata.get("person"), source, box, note)


def _batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _in_parallel(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(WORKERS, len(items))) as pool:
        return list(pool.map(work, items))
