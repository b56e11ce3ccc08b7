"""What batch embedding talks about: objects to read, results to write, and how each one ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from handler.errors import ApiError
from handler.faces import PictureFaces


@dataclass(frozen=True)
class ObjectReference:
    """One object that an event names.

    Args:
        bucket: Name of the bucket.
        key: The key as S3 stores it, that is decoded.
        version_id: The version to read; None reads the newest, whatever ETag the event told.
    """

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def can_exist(self) -> bool:
        """Whether S3 could hold it: names are UTF-8, which has no lone surrogates; JSON does."""
        try:
            f"{self.bucket}{self.key}{self.version_id or ''}".encode()
        except UnicodeEncodeError:
            return False
        return True


@dataclass(frozen=True)
class PictureObject:
    """The bytes that were read, and what the same answer said about them.

    Args:
        etag: Without quotes.
        version_id: None in a bucket without versions.
        size: Length of the object in bytes.
        data: The bytes; empty where `size` is above the limit, as they were not read then.
    """

    etag: str
    version_id: str | None
    size: int
    data: bytes

    @property
    def identity(self) -> str:
        """What tells these bytes from any other under the same key: the version, else the ETag.

        "null" is the version id that S3 gives to what was put without versioning; such an object
        can be replaced in place, so its ETag has to serve.
        """
        return self.version_id if self.version_id not in (None, "", "null") else self.etag


class Status(StrEnum):
    """How one object ended."""

    WRITTEN = "written"  # its embeddings are at the output, by us or by an earlier delivery
    REJECTED = "rejected"  # it cannot be embedded; its result says why, and a retry would too
    SKIPPED = "skipped"  # there is nothing to embed: deleted since, or not an input
    FAILED = "failed"  # nothing was decided; a retry may succeed


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


class TransientFailure(Exception):  # noqa: N818 - state machines retry by this name
    """Something that may succeed when it is tried again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ObjectGone(Exception):  # noqa: N818 - as TransientFailure
    """The object, or the version of it, was deleted before it could be read."""


class ObjectArchived(Exception):  # noqa: N818 - as TransientFailure
    """The object lies in an archive (Glacier, say) and has to be restored before it is read."""


class ObjectStore(Protocol):
    """Where pictures are read and results written. Both calls are made from several threads."""

    def fetch(self, reference: ObjectReference) -> PictureObject:
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


# What became of one picture: its faces, or why there are none.
Answer = PictureFaces | ApiError
# The embedding of a group, bound to the time that is left: `Service.embed_pictures`. One entry for
# each picture, in order.
Embed = Callable[[Sequence[bytes]], Sequence[Answer]]
