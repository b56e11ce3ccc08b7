"""Objects in S3: what an event names, and what was read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectReference:
    """One object that an event names.

    Args:
        bucket: Name of the bucket.
        key: The key as S3 stores it, that is decoded.
        version_id: The version to read; None reads the newest, whatever ETag the event told.
        removed: Whether the event says that it was deleted.
    """

    bucket: str
    key: str
    version_id: str | None = None
    removed: bool = False

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
class StoredObject:
    """The bytes that were read, and what the same response said about them.

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
        """Identifies these bytes among all under the same key: the version, else the ETag.

        "null" is the version id that S3 gives to what was put without versioning; such an object
        can be replaced in place, so its ETag has to serve.
        """
        return self.version_id if self.version_id not in (None, "", "null") else self.etag
