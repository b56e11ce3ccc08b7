"""Objects in S3 for batches: read exactly what is named, write only what is new."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from handler.batch_types import (
    ObjectArchived,
    ObjectGone,
    ObjectReference,
    PictureObject,
    TransientFailure,
)
from handler.objects import ARCHIVED

# A delete marker answers 405 to a read of it by version, 404 (NoSuchKey) otherwise.
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"})
EXISTS = frozenset({"PreconditionFailed", "412"})
# Another conditional write of the same key is under way; S3 asks to send the request again.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
CONFLICT = frozenset({"ConditionalRequestConflict", "409"})
CONFLICT_RETRIES = 4


@dataclass(frozen=True)
class S3Store:
    """An `ObjectStore` on S3.

    Args:
        client: A boto3 S3 client; it is used from several threads, which clients allow.
        output_bucket: Where results are written.
        image_bytes: Objects above this are not read, only named.
        bucket_owner: Account that must own every bucket that is read, if given.
    """

    client: Any
    output_bucket: str
    image_bytes: int
    bucket_owner: str | None = None

    def fetch(self, reference: ObjectReference) -> PictureObject:
        """Read an object; see `ObjectStore`.

        The ETag of the event is deliberately no condition: where the object was replaced since,
        the newer bytes are read and named for what they are, and the newer event changes nothing.
        """
        optional = {"VersionId": reference.version_id, "ExpectedBucketOwner": self.bucket_owner}
        arguments = {name: value for name, value in optional.items() if value}
        try:
            response = self.client.get_object(
                Bucket=reference.bucket, Key=reference.key, **arguments
            )
            return self._stored(response)
        except ClientError as failure:
            raise read_failure(failure) from None
        except (BotoCoreError, OSError) as failure:
            raise connection_failure(failure) from None

    def put_new(self, key: str, body: bytes) -> bool:
        """Write a result unless it exists; see `ObjectStore`."""
        for pause in range(CONFLICT_RETRIES):
            try:
                return self._put(key, body)
            except ClientError as failure:
                if code_of(failure) not in CONFLICT:
                    raise transient(failure) from None
                time.sleep(0.05 * 2**pause)
            except (BotoCoreError, OSError) as failure:
                raise connection_failure(failure) from None
        raise TransientFailure(
            "ConditionalRequestConflict", "the result is being written elsewhere"
        )

    def _put(self, key: str, body: bytes) -> bool:
        try:
            self.client.put_object(
                Bucket=self.output_bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as failure:
            if code_of(failure) in EXISTS:
                return False
            raise
        return True

    def _stored(self, response: Mapping[str, Any]) -> PictureObject:
        # A botocore body used as a context manager itself gives the raw stream, which does not
        # notice that it was cut short.
        with closing(response["Body"]) as body:
            size = int(response["ContentLength"])
            data = bytes(body.read()) if size <= self.image_bytes else b""
        etag = response["ETag"].strip('"')
        return PictureObject(etag, response.get("VersionId") or None, size, data)


def read_failure(failure: ClientError) -> Exception:
    """ObjectGone only where S3 says so; a refusal may be a role to be mended, so it is retried."""
    if code_of(failure) == ARCHIVED:
        return ObjectArchived()
    return ObjectGone() if code_of(failure) in GONE else transient(failure)


def transient(failure: ClientError) -> TransientFailure:
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return TransientFailure(code_of(failure), f"S3 answered {status}")


def connection_failure(failure: Exception) -> TransientFailure:
    """Timeouts, cut connections, short bodies and wrong checksums."""
    return TransientFailure(type(failure).__name__, "the connection to S3 failed")


def code_of(failure: ClientError) -> str:
    return str(failure.response.get("Error", {}).get("Code", "Unknown"))
