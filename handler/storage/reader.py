"""Reads objects for requests."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from handler.errors import ApiError, picture_too_large
from handler.settings import Settings
from handler.storage import clients
from handler.storage.faults import Fault, as_request_error, request_error
from handler.storage.types import ObjectReference

CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects for requests, under the settings' rules. The first read imports boto3."""

    settings: Settings

    def read(self, reference: ObjectReference, require_time: Callable[[], None]) -> bytes:
        """The bytes of an object that a request points to.

        Raises BucketNotAllowed, ObjectNotFound, PayloadTooLarge, StorageUnavailable, and what
        `require_time` raises, which is called before the read and between chunks.
        """
        uploaded = reference.bucket == self.settings.uploads
        if not uploaded and reference.bucket not in self.settings.input_buckets:
            raise ApiError(
                "BucketNotAllowed",
                "FACENET_INPUT_BUCKETS does not include this bucket.",
                fixable=True,
            )
        require_time()
        # The upload bucket is the stack's own, as the output bucket is.
        owner = self.settings.output_owner if uploaded else self.settings.bucket_owner
        with as_request_error():
            response = clients.get_object(clients.client(), reference, owner)
            return self._body(response, require_time)

    def _body(self, response: Mapping[str, Any], require_time: Callable[[], None]) -> bytes:
        """The body, unless it is too large; checks the time between chunks, as S3 may be slow."""
        limit = self.settings.limits.image_bytes
        with closing(response["Body"]) as body:
            size = response.get("ContentLength")
            if size is None:  # a proxy between S3 and us has dropped its headers
                raise request_error(Fault.TRANSIENT)
            if size > limit:
                raise picture_too_large(limit)
            data = bytearray()
            for chunk in body.iter_chunks(CHUNK_BYTES):
                data += chunk
                require_time()
        if len(data) != size:
            raise request_error(Fault.TRANSIENT)
        return bytes(data)
