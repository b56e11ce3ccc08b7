"""Types of batch embedding: outcomes, and what reads and writes objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from handler.errors import ApiError
from handler.faces.types import PictureFaces
from handler.storage.types import ObjectReference, StoredObject


class Status(StrEnum):
    """How one object ended."""

    WRITTEN = "written"  # its result is in the output, from this delivery or an earlier one
    REJECTED = "rejected"  # it cannot be embedded; its result says why, and a retry would too
    SKIPPED = "skipped"  # there is nothing to embed: deleted since, or not an input
    FAILED = "failed"  # no result yet; a retry may succeed


@dataclass(frozen=True)
class Outcome:
    """The end of one object.

    Args:
        output: `s3://` address of its result; None where none was written.
        code: Reason for anything but WRITTEN: an error code of ours, or the storage's own.
    """

    reference: ObjectReference
    status: Status
    output: str | None = None
    code: str | None = None
    message: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The outcome for answers and logs, without what does not apply."""
        fields = {
            "bucket": self.reference.bucket,
            "key": self.reference.key,
            "version_id": self.reference.version_id,
            "status": self.status.value,
            "output": self.output,
            "code": self.code,
            "message": self.message,
        }
        return {name: value for name, value in fields.items() if value is not None}


class ObjectStore(Protocol):
    """Where pictures are read and results written. Both calls are made from several threads."""

    def fetch(self, reference: ObjectReference) -> StoredObject:
        """Read an object.

        Raises:
            ObjectGone: It does not exist any more.
            ObjectArchived: It has to be restored first.
            TransientFailure: Anything else that kept it from being read.
        """

    def put_new(self, key: str, body: bytes) -> bool:
        """Write under the output bucket unless the key exists; whether it was written now.

        Raises:
            TransientFailure: It could not be written.
        """


class Follows(Protocol):
    """What keeps a collection in step with the bucket. Both calls are made from several threads."""

    def follow(self, reference: ObjectReference, picture: StoredObject, answer: "Answer") -> None:
        """Take in an object's faces. Raises ApiError and TransientFailure."""

    def remove(self, reference: ObjectReference) -> None:
        """Let the faces of a deleted object go. Raises ApiError and TransientFailure."""


# What became of one picture: its faces, or why there are none.
Answer = PictureFaces | ApiError
# The embedding of a group, bound to the time that is left: `Service.embed_pictures`. One entry for
# each picture, in order.
Embed = Callable[[Sequence[bytes]], Sequence[Answer]]
