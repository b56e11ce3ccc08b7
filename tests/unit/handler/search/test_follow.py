"""A collection that follows a bucket, under deliveries that repeat, fail and come in any order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from handler import app
from handler.batch.types import Answer, Status
from handler.errors import ApiError
from handler.faces.types import PictureFaces
from handler.search import follow, names
from handler.search.catalog import Collections
from handler.search.collection import Collection
from handler.search.follow import Follower
from handler.search.index_memory import MemoryIndex
from handler.storage.faults import TransientFailure
from handler.storage.types import ObjectReference
from tests.unit.handler.batch import fakes
from tests.unit.handler.service_fakes import FakeContext, make_service

CONTRACT = "tiny@abababababab"
PEOPLE = "people/"


@dataclass
class Store(fakes.FakeStore):
    """Objects whose present version can be asked for."""

    asked: list[str] = field(default_factory=list)

    def identity(self, reference: ObjectReference) -> str | None:
        self.asked.append(reference.key)
        self.fail(f"identity of {reference.key}")
        data = self.objects.get((reference.bucket, reference.key))
        return None if data is None else fakes.etag_of(data)

    def remove(self, key: str) -> ObjectReference:
        del self.objects[fakes.BUCKET, key]
        return ObjectReference(fakes.BUCKET, key, removed=True)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def follower(collections: Collections, store: Store) -> Follower:
    return Follower(collections, "photos", CONTRACT, 4, PEOPLE, store.identity)


def embed_pictures(pictures: Sequence[bytes]) -> list[Answer]:
    """As many faces as the picture's last letter says; the first is the smallest."""
    answers: list[Answer] = []
    for data in pictures:
        count = int(data[-1:]) if data[-1:].isdigit() else 1
        if not count:
            answers.append(ApiError("FaceNotFound", "No face was found in the picture."))
            continue
        faces = tuple(
            replace(
                fakes.face(data + bytes([row])),
                box=(0.0, 0.0, 10.0 * (row + 1), 10.0),
                embedding=unit(data + bytes([row])),
            )
            for row in range(count)
        )
        answers.append(PictureFaces(40, 30, faces))
    return answers


def unit(data: bytes) -> "fakes.np.ndarray":
    vector = fakes.embedding_of(data) + 1
    return vector / fakes.np.linalg.norm(vector)


def deliver(
    follower: Follower, store: Store, references: Sequence[ObjectReference]
) -> list[Status]:
    made = fakes.batch(store, embed_pictures)
    outcomes = replace(made, follower=follower).run(references)
    return [outcome.status for outcome in outcomes]


def collection_of(follower: Follower) -> Collection:
    return follower.collections.open("photos")


def sources(collection: Collection) -> list[str]:
    """The key of the object of every face, by the truth; truth and index agree."""
    faces = list(collection.faces())
    if collection.index.engine == "s3vectors":
        assert collection.index.stored_keys() == {face.key for face in faces}
    assert collection.gallery().faces == len(faces)
    return sorted(face.source.key for face in faces if face.source)


def test_every_face_comes_in_once_with_its_objects_key(follower: Follower, store: Store) -> None:
    party = store.add("party.jpg", b"party 3")
    for _ in range(3):
        assert deliver(follower, store, [party, party]) == [Status.WRITTEN] * 2
    collection = collection_of(follower)
    assert sources(collection) == ["party.jpg"] * 3
    assert collection.gallery().persons == 3
    assert collection.persons(None, 10) == []


def test_pictures_of_people_enrol_them_by_name(follower: Follower, store: Store) -> None:
    references = [
        store.add("people/Ann Lee/1.jpg", b"ann 1"),
        store.add("people/Ann Lee/2 with bob.jpg", b"ann with bob 2"),
        store.add("people/Bob/holiday/x.jpg", b"bob 1"),
        store.add("people/readme.jpg", b"nobody 1"),
    ]
    deliver(follower, store, references)
    collection = collection_of(follower)
    assert sorted(collection.persons(None, 10)) == ["Ann Lee", "Bob"]
    faces = collection.person_faces("Ann Lee")
    assert len(faces) == 2
    largest = unit(b"ann with bob 2" + bytes([1]))
    assert any(fakes.np.allclose(face.vector, largest) for face in faces)
    assert collection.gallery().persons == 3  # and the face of readme.jpg


def test_a_deleted_objects_faces_leave(follower: Follower, store: Store) -> None:
    references = [store.add(key, key.encode() + b" 2") for key in ("a.jpg", "people/Ann/b.jpg")]
    deliver(follower, store, references)
    collection = collection_of(follower)
    assert sources(collection) == ["a.jpg", "a.jpg", "people/Ann/b.jpg"]
    assert deliver(follower, store, [store.remove("a.jpg")]) == [Status.SKIPPED]
    assert sources(collection) == ["people/Ann/b.jpg"]
    deliver(follower, store, [store.remove("people/Ann/b.jpg")])
    assert (sources(collection), collection.persons(None, 10)) == ([], [])


def test_a_replaced_object_has_only_its_new_faces(follower: Follower, store: Store) -> None:
    photo = store.add("a.jpg", b"old 3")
    deliver(follower, store, [photo])
    store.add("a.jpg", b"new 1")
    deliver(follower, store, [photo])
    collection = collection_of(follower)
    (kept,) = collection.faces()
    assert fakes.np.allclose(kept.vector, unit(b"new 1" + bytes([0])))
    store.add("a.jpg", b"nobody 0")
    assert deliver(follower, store, [photo]) == [Status.REJECTED]
    assert sources(collection) == []


def test_a_late_event_of_a_deletion_takes_nothing_that_is_there(
    follower: Follower, store: Store
) -> None:
    photo = store.add("a.jpg", b"first 1")
    deliver(follower, store, [photo])
    late = store.remove("a.jpg")
    store.add("a.jpg", b"second 2")
    deliver(follower, store, [photo])
    deliver(follower, store, [late])
    assert sources(collection_of(follower)) == ["a.jpg", "a.jpg"]


def test_an_object_deleted_while_it_was_embedded_leaves_nothing(
    follower: Follower, store: Store
) -> None:
    photo = store.add("a.jpg", b"gone 2")
    taken = store.fetch(photo)
    gone = store.remove("a.jpg")
    follower.remove(gone)  # its event comes first
    (answer,) = embed_pictures([taken.data])
    follower.follow(photo, taken, answer)
    assert sources(collection_of(follower)) == []


def test_what_failed_comes_again_and_is_then_whole(follower: Follower, store: Store) -> None:
    photo = store.add("a.jpg", b"picture 2")
    store.faults["identity of a.jpg"] = [TransientFailure("SlowDown", "S3 answered 503")]
    assert deliver(follower, store, [photo]) == [Status.FAILED]
    assert deliver(follower, store, [photo]) == [Status.WRITTEN]
    assert sources(collection_of(follower)) == ["a.jpg", "a.jpg"]


def test_many_pictures_under_duplicated_and_failing_deliveries(
    follower: Follower, store: Store
) -> None:
    """Every face of what is left is there once, whatever the order and however often it failed."""
    chance = random.Random(7)
    count = 1000 if follower.collections.make_index is MemoryIndex else 200
    keys = [f"{row}.jpg" if row % 10 else f"people/p{row % 70}/{row}.jpg" for row in range(count)]
    pending = [store.add(key, f"{key} 1".encode()) for key in keys]
    store.faults = {
        name: [TransientFailure("SlowDown", "S3 answered 503")] * chance.randint(1, 2)
        for key in keys
        if chance.random() < 0.2
        for name in (key, f"identity of {key}")
    }
    pending += chance.sample(pending, count * 3 // 10)  # delivered twice
    chance.shuffle(pending)
    gone = chance.sample(keys, count // 20)
    while pending:
        group, pending = pending[:10], pending[10:]
        if gone and chance.random() < 0.5:
            pending.append(store.remove(gone.pop()))
        statuses = deliver(follower, store, group)
        pending += [
            reference
            for reference, status in zip(group, statuses, strict=True)
            if status is Status.FAILED
        ]
    assert not gone
    left = sorted(key for _, key in store.objects)
    assert sources(collection_of(follower)) == left


def test_a_collection_of_another_contract_is_left_alone(
    collections: Collections, follower: Follower, store: Store
) -> None:
    collections.create("photos", "older@000000000000", 4)
    photo = store.add("a.jpg", b"picture 1")
    assert deliver(follower, store, [photo]) == [Status.WRITTEN]
    assert sources(collection_of(follower)) == []
    assert store.results


def test_what_expires_in_the_truth_leaves_the_index(
    vectors_collections: Collections, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By EventBridge's event alone, in a function without batches."""
    follower = Follower(vectors_collections, "photos", CONTRACT, 4, PEOPLE, store.identity)
    deliver(follower, store, [store.add("a.jpg", b"picture 1"), store.add("b.jpg", b"other 1")])
    collection = collection_of(follower)
    first, second = sorted(collection.index.stored_keys())
    service = make_service(collections="s3://truth-bucket/kept")
    monkeypatch.setattr(follow, "open_collections", lambda settings: vectors_collections)
    event = {
        "source": "aws.s3",
        "detail-type": "Object Deleted",
        "detail": {
            "bucket": {"name": "truth-bucket"},
            "object": {"key": f"kept/{collection.record.prefix}{first}"},
        },
    }
    assert app.dispatch(event, FakeContext(), service) == {"results": []}
    assert len(collection.index.stored_keys()) == 2  # it is there still
    collection.truth.delete([collection.record.prefix + first])
    app.dispatch(event, FakeContext(), service)
    assert collection.index.stored_keys() == {second}


def test_a_bucket_that_nobody_follows_skips_deletions(store: Store) -> None:
    reference = ObjectReference(fakes.BUCKET, "a.jpg", removed=True)
    (outcome,) = fakes.batch(store).run([reference])
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "ObjectRemoved")


def test_faces_of_one_object_are_recognised_by_version() -> None:
    photo = ObjectReference("b", "k")
    group = names.object_group(photo)
    one, other = (
        names.object_face_id(group, photo, identity, 0, CONTRACT) for identity in ("v1", "v2")
    )
    assert one.startswith(names.object_face_prefix(group, photo, "v1"))
    assert not other.startswith(names.object_face_prefix(group, photo, "v1"))
    assert len(one) == len(other) == names.FACE_DIGITS
