"""Both engines over a folder of truth, for one set of behaviour tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from handler.search import names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from handler.search.index_memory import MemoryIndex
from handler.search.index_vectors import VectorsIndex
from handler.search.truth import FolderTruth
from handler.search.types import Face
from tests.aws.servers import s3vectors

CONTRACT = "tiny@abababababab"
DIMENSION = 8


@pytest.fixture(scope="session")
def vectors_server() -> Iterator[s3vectors.Server]:
    with s3vectors.running() as server:
        yield server


@pytest.fixture
def vectors(vectors_server: s3vectors.Server) -> s3vectors.Service:
    """The service of S3 Vectors, empty and without faults."""
    vectors_server.service = s3vectors.Service({"vectors": {}})
    return vectors_server.service


@pytest.fixture
def truth(tmp_path: Path) -> FolderTruth:
    return FolderTruth(tmp_path / "truth")


@pytest.fixture
def memory_collections(truth: FolderTruth) -> Collections:
    return Collections(truth, MemoryIndex)


@pytest.fixture
def vectors_collections(
    truth: FolderTruth, vectors: s3vectors.Service, vectors_server: s3vectors.Server
) -> Collections:
    client = s3vectors.client(vectors_server)
    return Collections(truth, lambda truth, record: VectorsIndex(truth, record, "vectors", client))


@pytest.fixture(params=["memory", "s3vectors"])
def collections(request: pytest.FixtureRequest) -> Collections:
    kind = "memory_collections" if request.param == "memory" else "vectors_collections"
    made: Collections = request.getfixturevalue(kind)
    return made


@pytest.fixture
def staff(collections: Collections) -> Collection:
    return collections.create("staff", CONTRACT, DIMENSION)


def vector(seed: int, near: np.ndarray | None = None, spread: float = 0.1) -> np.ndarray:
    """A unit vector [8], of its own or near another."""
    made = np.random.default_rng(seed).normal(size=DIMENSION)
    if near is not None:
        made = near + spread * made
    return (made / np.linalg.norm(made)).astype(np.float32)


def face(person: str, content: str, values: np.ndarray) -> Face:
    group = names.person_group(person)
    key = names.face_key(group, names.face_id(group, content, CONTRACT))
    return Face(key, values, person)


def found(collection: Collection, probe: np.ndarray, count: int = 5) -> list[str | None]:
    """The persons nearest to `probe`, as a search finds them."""
    from handler.search.find import candidates

    return [each.person for each in candidates(collection, probe[None], count, "best")[0]]
