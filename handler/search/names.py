"""Names of collections and persons, and the keys of the objects that hold them.

    collections/<collection>/collection.json
    faces/<collection>/<generation>/persons/<person>/<face>.json
    faces/<collection>/<generation>/objects/<object>/<face>.json

    users/<collection>/<generation>/names/<person>.json
    users/<collection>/<generation>/moved/<tail of a face>.json

Faces lie below one prefix of their own, so that a lifecycle rule can expire them without their
collections. `<person>` and `<object>` begin with a digest: the first page of a listing is then a
fair sample of all, from which a gallery's size is estimated (`handler.search.gallery`).
"""

import hashlib
import re
import unicodedata
from urllib.parse import quote, unquote

from handler.errors import ApiError
from handler.storage.types import ObjectReference

COLLECTION = re.compile(r"[A-Za-z0-9._:-]{1,255}")
FACE_ID = re.compile(r"[0-9a-f]{40}")
LONGEST_NAME = 255
FACE_DIGITS = 40
DIGEST = 16  # hex digits of a person's or object's digest: 64 bits
OBJECT_DIGEST = 10
VERSION_DIGEST = 6
# Quoted names above this would exceed what file systems (255 bytes) take; such a person is named
# by digest alone, and its faces hold the name.
LONGEST_QUOTED = 200
FACE_SUFFIX = ".json"
PERSONS = "persons/"
OBJECTS = "objects/"


def check_collection(name: str) -> str:
    """`name`, if a collection can have it. Raises InvalidRequest."""
    if not COLLECTION.fullmatch(name) or not name.strip("."):
        raise ApiError(
            "InvalidRequest",
            "collection: expected 1 to 255 letters, digits, dots, underscores, colons or hyphens.",
            details={"field": "collection"},
        )
    return name


def check_person(name: str) -> str:
    """`name` in Unicode's normal form NFC, if a person can have it. Raises InvalidRequest."""
    normal = unicodedata.normalize("NFC", name)
    if not 1 <= len(normal) <= LONGEST_NAME or not normal.isprintable():
        raise ApiError(
            "InvalidRequest",
            "person: expected 1 to 255 printable characters.",
            details={"field": "person"},
        )
    return normal


def check_face(identifier: str) -> str:
    """`identifier`, if a face can have it. Raises InvalidRequest."""
    if not FACE_ID.fullmatch(identifier):
        raise ApiError(
            "InvalidRequest", "face: expected an id that enrol returned.", details={"field": "face"}
        )
    return identifier


def collection_key(collection: str) -> str:
    """Key of the object that says a collection exists."""
    return f"collections/{collection}/collection.json"


def generation_prefix(collection: str, generation: str) -> str:
    """Prefix of a collection's faces; a collection made anew has a new generation."""
    return f"faces/{collection}/{generation}/"


def person_group(person: str) -> str:
    """Where a person's faces lie below the generation, without a slash at the end."""
    quoted = quote(person, safe="")
    head = f"{PERSONS}{digest(person)[:DIGEST]}"
    return f"{head}.{quoted}" if len(quoted) <= LONGEST_QUOTED else f"{head}~"


def person_of_group(group: str) -> str | None:
    """The person's name; None where the group is named by digest alone or is an object's face."""
    if not group.startswith(PERSONS):
        return None
    _, dot, quoted = group[len(PERSONS) :].partition(".")
    return unquote(quoted) if dot else None


def object_group(reference: ObjectReference) -> str:
    """Where an object's faces without a person lie below the generation."""
    return f"{OBJECTS}{digest(reference.uri)[:DIGEST]}"


def users_prefix(collection: str, generation: str = "") -> str:
    """Prefix of what is kept about persons besides their faces (`handler.search.users`)."""
    return f"users/{collection}/{generation}/" if generation else f"users/{collection}/"


def moved_key(collection: str, generation: str, face: str) -> str:
    """Key of the object that says to whom a face, given by its key or id, was moved."""
    return f"{users_prefix(collection, generation)}moved/{tail_of(face)}.json"


def tail_of(face: str) -> str:
    """What a face's key or id keeps when the face moves to another person: 24 hex digits."""
    return face_of_key(face)[DIGEST:]


def face_key(group: str, face: str) -> str:
    """Key of a face below the generation."""
    return f"{group}/{face}{FACE_SUFFIX}"


def face_of_key(key: str) -> str:
    """The face's id."""
    return key.rpartition("/")[2].removesuffix(FACE_SUFFIX)


def group_of_key(key: str) -> str:
    """What a face is scored with: its person, or, without one, itself."""
    return key if key.startswith(OBJECTS) else key.rpartition("/")[0]


def keys_below(group: str) -> str:
    """What a group's keys begin with, and no other's: a name may begin another's."""
    return group if group.startswith(OBJECTS) else f"{group}/"


def group_digest(group: str) -> str:
    """The digest that `group` begins with."""
    return group.partition("/")[2][:DIGEST]


def face_id(group: str, content: str, contract: str) -> str:
    """Id of a face from a request: made of person, content and contract."""
    return group_digest(group) + face_tail(content, contract)


def face_tail(content: str, contract: str) -> str:
    """The part of a face's id that is the same for every person."""
    return digest(f"{content}\n{contract}")[: FACE_DIGITS - DIGEST]


def object_face_id(
    group: str, reference: ObjectReference, identity: str, index: int, contract: str
) -> str:
    """Id of a face from a bucket: group, object, version, place in the picture, contract."""
    head = object_face_prefix(group, reference, identity)
    return head + digest(f"{identity}\n{index}\n{contract}")[: FACE_DIGITS - len(head)]


def object_face_prefix(group: str, reference: ObjectReference, identity: str = "") -> str:
    """What the ids of an object's faces in `group` begin with; with `identity`, of that version."""
    version = digest(identity)[:VERSION_DIGEST] if identity else ""
    return group_digest(group) + digest(reference.uri)[:OBJECT_DIGEST] + version


def digest(text: str) -> str:
    """SHA-256 of `text`, hexadecimal. A lone surrogate, which no S3 key has, is replaced."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
