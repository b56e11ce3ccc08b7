"""Reads pictures and writes results for batches."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from handler.storage.clients import get_object, owned_by
from handler.storage.faults import (
    ObjectGone,
    TransientFailure,
    as_batch_error,
    code_of,
    connection_failure,
    write_error,
)
from handler.storage.types import ObjectReference, StoredObject

EXISTS = frozenset({"PreconditionFailed", "412"})
# Another conditional write of the same key is in progress; S3 asks to send the request again.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
CONFLICT = frozenset({"ConditionalRequestConflict", "409"})
CONFLICT_RETRIES = 4


@dataclass(frozen=True)
class S3Store:
    """Reads pictures and writes results for batches.

    Args:
        client: A boto3 S3 client; it is used from several threads, which clients allow.
        output_bucket: Where results are written.
        output_owner: Account that must own it, if known. Bucket names can be guessed: if the bucket
            is deleted and somebody else creates it, they would receive the embeddings.
        image_bytes: Objects above this are not read, only named.
        bucket_owner: Account that must own every bucket that is read, if given.
    """

    client: Any
    output_bucket: str
    image_bytes: int
    bucket_owner: str | None = None
    output_owner: str | None = None

    def fetch(self, reference: ObjectReference) -> StoredObject:
        """Read an object. Raises ObjectGone, ObjectArchived and TransientFailure.

        The ETag of the event is deliberately not a condition: if the object was replaced since, the
        newer bytes are read under their own identity, and the newer event changes nothing.
        """
        with as_batch_error():
            return self._stored(get_object(self.client, reference, self.bucket_owner))

    def identity(self, reference: ObjectReference) -> str | None:
        """The identity of the object's current bytes (`StoredObject.identity`).

        None where it is gone. Raises TransientFailure.
        """
        place = {"Bucket": reference.bucket, "Key": reference.key}
        try:
            with as_batch_error():
                response = self.client.head_object(**place, **owned_by(self.bucket_owner))
        except ObjectGone:
            return None
        return _described(response, 0, b"").identity

    def put_new(self, key: str, body: bytes) -> bool:
        """Write a result unless it exists; whether it was written. Raises TransientFailure."""
        from botocore.exceptions import BotoCoreError, ClientError

        for pause in range(CONFLICT_RETRIES):
            try:
                return self._put(key, body)
            except ClientError as failure:
                if code_of(failure) not in CONFLICT:
                    raise write_error(failure) from None
                time.sleep(0.05 * 2**pause)
            except (BotoCoreError, OSError) as failure:
                raise connection_failure(failure) from None
        raise TransientFailure(
            "ConditionalRequestConflict", "the result is being written elsewhere"
        )

    def _put(self, key: str, body: bytes) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.client.put_object(
                Bucket=self.output_bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                IfNoneMatch="*",
                **owned_by(self.output_owner),
            )
        except ClientError as failure:
            if code_of(failure) in EXISTS:
                return False
            raise
        return True

    def _stored(self, response: Mapping[str, Any]) -> StoredObject:
        # A botocore body used as a context manager itself gives the raw stream, which does not
        # notice that it was cut short.
        with closing(response["Body"]) as body:
            size = int(response["ContentLength"])
            data = bytes(body.read()) if size <= self.image_bytes else b""
        return _described(response, size, data)


def _described(response: Mapping[str, Any], size: int, data: bytes) -> StoredObject:
    etag = response["ETag"].strip('"')
    return StoredObject(etag, response.get("VersionId") or None, size, data)
