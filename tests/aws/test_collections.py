"""Collections whose truth lies in a real S3: conditional writes, listings, names, deletions."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fixtures.servers.radosgw import Account, RadosGateway
from handler.errors import ApiError
from handler.search import gallery, names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from handler.search.follow import Follower
from handler.search.index_memory import MemoryIndex
from handler.storage.prefix import ObjectPrefix
from handler.storage.store import S3Store
from handler.storage.types import ObjectReference
from tests.unit.handler.search.conftest import CONTRACT, DIMENSION, face, found, vector
from tests.unit.handler.search.test_collections import HOSTILE
from tests.unit.handler.search.test_follow import embed_pictures

PREFIX = "truth/"


@pytest.fixture
def s3(gateway: RadosGateway, account: Account) -> Any:
    return gateway.client(account)


@pytest.fixture
def truth(s3: Any) -> ObjectPrefix:
    bucket = f"search-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    return ObjectPrefix(bucket, PREFIX, s3)


@pytest.fixture
def collections(truth: ObjectPrefix) -> Collections:
    return Collections(truth, MemoryIndex)


@pytest.fixture
def staff(collections: Collections) -> Collection:
    return collections.create("staff", CONTRACT, DIMENSION)


def all_keys(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [row["Key"] for page in pages for row in page.get("Contents", [])]


def test_of_many_writers_one_writes(truth: ObjectPrefix) -> None:
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda row: truth.write_new("a", b"%d" % row), range(16)))
    assert written.count(True) == 1
    assert truth.read("a") == b"%d" % written.index(True)
    assert truth.write_new("a", b"other") is False
    truth.replace("a", b"replaced")
    assert truth.read("a") == b"replaced"
    assert truth.read("b") is None


def test_a_collection_made_by_many_at_once_is_one(collections: Collections) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda row: collections.create("staff", f"c{row}@0", DIMENSION), range(8))
        )
    assert len({each.record.generation for each in made}) == 1


def test_hostile_names_are_kept_found_paged_and_deleted(
    s3: Any, truth: ObjectPrefix, staff: Collection
) -> None:
    staff.add([face(person, "1", vector(row)) for row, person in enumerate(HOSTILE)])
    assert [found(staff, vector(row), 1) for row in range(len(HOSTILE))] == [
        [person] for person in HOSTILE
    ]
    listed: list[str] = []
    while page := staff.persons(listed[-1] if listed else None, 4):
        listed += page
    assert sorted(listed) == sorted(HOSTILE)
    for person in HOSTILE:
        assert len(staff.delete_person(person).faces) == 1
    assert all_keys(s3, truth.bucket) == [PREFIX + names.collection_key("staff")]


def test_more_faces_than_a_listing_has_room_for(
    s3: Any, truth: ObjectPrefix, collections: Collections, staff: Collection
) -> None:
    faces = [face(f"person {row % 1100}", str(row), vector(row)) for row in range(2200)]
    with ThreadPoolExecutor(8) as pool:
        for start in range(0, len(faces), 100):
            list(
                pool.map(
                    lambda each: truth.write_new(
                        staff.record.prefix + each.key, each.document(CONTRACT)
                    ),
                    faces[start : start + 100],
                )
            )
    assert (staff.gallery().persons, staff.gallery().faces) == (1100, 2200)
    counted = gallery.count(truth, staff.record.prefix)
    assert counted.estimated
    assert counted.persons == pytest.approx(1100, rel=0.12)
    assert counted.faces == pytest.approx(2200, rel=0.12)
    assert found(staff, vector(5), 1) == ["person 5"]
    assert len(collections.delete("staff").faces) == 2200
    assert all_keys(s3, truth.bucket) == []


def test_a_deleted_collection_leaves_nothing(
    s3: Any, truth: ObjectPrefix, collections: Collections, staff: Collection
) -> None:
    staff.add([face("ann", "1", vector(1))])
    collections.delete("staff")
    assert all_keys(s3, truth.bucket) == []
    with pytest.raises(ApiError, match="CollectionNotFound"):
        collections.open("staff")


@pytest.mark.parametrize("versions", ["none", "kept"])
def test_a_collection_follows_a_real_bucket(
    s3: Any, collections: Collections, versions: str
) -> None:
    """Photographs come, are replaced and go; the collection ends as the bucket is."""
    photos = f"photos-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=photos)
    if versions == "kept":
        s3.put_bucket_versioning(Bucket=photos, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(s3, photos, 1_000_000)
    follower = Follower(collections, "photos", CONTRACT, 4, "people/", store.identity)

    def arrive(key: str, data: bytes) -> ObjectReference:
        version = s3.put_object(Bucket=photos, Key=key, Body=data).get("VersionId")
        return ObjectReference(photos, key, version)

    def follow(reference: ObjectReference) -> None:
        picture = store.fetch(reference)
        follower.follow(reference, picture, embed_pictures([picture.data])[0])

    old = arrive("a.jpg", b"old 3")
    follow(old)
    follow(old)
    follow(arrive("people/Ann/b.jpg", b"ann 1"))
    new = arrive("a.jpg", b"new 2")
    follow(new)
    if versions == "kept":
        follow(old)  # an event that comes late: the old version can still be read
    sources = [each.source.key for each in collections.open("photos").faces() if each.source]
    assert sorted(sources) == ["a.jpg", "a.jpg", "people/Ann/b.jpg"]
    s3.delete_object(Bucket=photos, Key="a.jpg")
    follower.remove(ObjectReference(photos, "a.jpg", removed=True))
    (left,) = collections.open("photos").faces()
    assert left.person == "Ann"


def test_a_bucket_that_refuses_is_a_typed_error(s3: Any) -> None:
    nowhere = ObjectPrefix("no-such-bucket-of-ours", PREFIX, s3)
    with pytest.raises(ApiError):
        nowhere.write_new("a", b"")
    with pytest.raises(ApiError):
        list(nowhere.keys(""))
