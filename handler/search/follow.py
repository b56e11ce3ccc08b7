"""A collection that follows a bucket: faces come with objects and leave with them.

Events come at least once, late, and in any order, so no event is trusted: whatever it says, the
current object is checked after the write. Of two concurrent handlers, the one that checks last sees
the other's write. docs/search.md has the argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

from handler.errors import ApiError
from handler.faces.embedding import choose_profile
from handler.faces.requests import Options
from handler.faces.service import Service
from handler.faces.types import FoundFace, PictureFaces
from handler.observability import log
from handler.search import names
from handler.search.catalog import Collections, open_collections
from handler.search.collection import Collection
from handler.search.types import BucketFace, CollectionRecord
from handler.settings import Settings
from handler.storage.types import ObjectReference, StoredObject

# The version or ETag of an object as it is now; None where it is gone. Raises TransientFailure.
Identify = Callable[[ObjectReference], str | None]


@dataclass(frozen=True)
class Follower:
    """Keeps one collection in step with the objects of the input bucket.

    Args:
        people: Keys `<people>NAME/...` are pictures of the person NAME.
        target: The generation to fill, where it is not the current one of `name`.
    """

    collections: Collections
    name: str
    contract: str
    dimension: int
    people: str
    identify: Identify
    target: Collection | None = None

    def follow(
        self, reference: ObjectReference, picture: StoredObject, answer: PictureFaces | ApiError
    ) -> None:
        """Adds an object's faces to the collection, once, and removes those of older versions.

        A collection of another contract is left alone: `tools.collection move` fills it from the
        results. Raises ApiError and TransientFailure; the same call made again goes on.
        """
        collection = self.target or self.collections.create(
            self.name, self.contract, self.dimension
        )
        if collection.record.contract != self.contract:
            log("collection of another contract", level="WARNING", code="ModelMismatch")
            return
        if isinstance(answer, PictureFaces):
            faces = self.faces(reference, picture.identity, answer)
            collection.add([face.as_face(self.contract) for face in faces])
        self._reconcile(collection, reference)

    def remove(self, reference: ObjectReference) -> None:
        """Handles a deletion event: removes the faces if the object is gone."""
        record = self.collections.record(self.name)
        if record is not None:
            self._reconcile(self.collections.open_record(record), reference)

    def person_of(self, key: str) -> str | None:
        """The person whom a key names; None for any other picture."""
        name, slash, _ = key.removeprefix(self.people).partition("/")
        if not key.startswith(self.people) or not slash:
            return None
        try:
            return names.check_person(name)
        except ApiError:
            return None

    def faces(
        self, reference: ObjectReference, identity: str, picture: PictureFaces
    ) -> list[BucketFace]:
        """All faces of a photograph; of a person's picture the largest, which is the person's."""
        person = self.person_of(reference.key)
        chosen = list(enumerate(picture.faces))
        if person is not None:
            chosen = [max(chosen, key=lambda pair: _area(pair[1]))]
        return [
            BucketFace(reference, identity, index, face.embedding, person, _box(face))
            for index, face in chosen
            if face.embedding is not None
        ]

    def _reconcile(self, collection: Collection, reference: ObjectReference) -> None:
        """Removes an object's faces of any version but the one that is there now."""
        plain = ObjectReference(reference.bucket, reference.key)
        current = self.identify(plain)
        person = self.person_of(plain.key)
        group = names.object_group(plain) if person is None else names.person_group(person)
        keys = collection.face_keys(group, names.object_face_prefix(group, plain))
        kept = names.object_face_prefix(group, plain, current) if current else None
        stale = [key for key in keys if kept is None or not names.face_of_key(key).startswith(kept)]
        collection.delete_keys(stale)


def forget(settings: Settings, key: str) -> None:
    """Removes from the index a face that expired in the truth.

    `key` is the object's in the bucket of FACENET_COLLECTIONS. Raises ApiError.
    """
    collections = open_collections(settings)
    inner = key.removeprefix(truth_prefix(settings))
    parts = inner.split("/", 3)
    if len(parts) < 4 or parts[0] != "faces" or collections.truth.read(inner) is not None:
        return
    _, name, generation, rest = parts
    record = CollectionRecord(name=name, contract="", dimension=1, generation=generation)
    collections.open_record(record).index.delete([rest])


def truth_prefix(settings: Settings) -> str:
    """The prefix of FACENET_COLLECTIONS, with a slash at its end where it has one."""
    _, _, prefix = (settings.collections or "").removeprefix("s3://").partition("/")
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def open_follower(service: Service, identify: Identify) -> Follower:
    """The follower of FACENET_BUCKET_COLLECTION."""
    settings = service.settings
    assert settings.bucket_collection is not None
    profile = choose_profile(service.model, Options())
    return Follower(
        collections=open_collections(settings),
        name=settings.bucket_collection,
        contract=profile.contract,
        dimension=service.model.dimension,
        people=settings.people_prefix,
        identify=identify,
    )


def _area(face: FoundFace) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def _box(face: FoundFace) -> tuple[float, float, float, float]:
    """Left, top, width, height."""
    left, top, right, bottom = face.box
    return round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)
