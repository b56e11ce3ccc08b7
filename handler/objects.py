"""Pictures out of S3: only from allowed buckets, never more bytes than the limit."""

import functools
from dataclasses import dataclass
from typing import Any

from handler.errors import ApiError
from handler.requests import S3Reference
from handler.settings import Settings

NOT_FOUND = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "NotFound"})
REFUSED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})
# Ours to fix or to wait for, so the same call may succeed later.
PASSING = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ExpiredToken",
        "InternalError",
        "ServiceUnavailable",
    }
)


@dataclass(frozen=True)
class StoredObject:
    """An object's bytes and the identity of exactly what was read."""

    data: bytes
    etag: str
    version_id: str | None


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects under the settings' rules. boto3 is imported by the first read."""

    settings: Settings

    def read(self, reference: S3Reference) -> bytes:
        """The bytes of an object that a request points to.

        Raises BucketNotAllowed, ObjectNotFound, PayloadTooLarge, StorageUnavailable.
        """
        self.require_allowed(reference.bucket)
        return self.fetch(reference.bucket, reference.key, reference.version_id).data

    def require_allowed(self, bucket: str) -> None:
        """Raises BucketNotAllowed unless FACENET_INPUT_BUCKETS lists `bucket`."""
        if bucket not in self.settings.input_buckets:
            raise ApiError("BucketNotAllowed", "This bucket is not in FACENET_INPUT_BUCKETS.")

    def fetch(
        self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None
    ) -> StoredObject:
        """One object whole; with `etag`, only if it is still that one (else ObjectNotFound)."""
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = {"VersionId": version_id, "ExpectedBucketOwner": self.settings.bucket_owner}
        arguments = {name: value for name, value in wanted.items() if value}
        if etag:
            arguments["IfMatch"] = etag
        try:
            response = client().get_object(Bucket=bucket, Key=key, **arguments)
            data = self._body(response)
        except ClientError as failure:
            raise from_client_error(failure) from None
        except (BotoCoreError, OSError):
            raise unavailable() from None
        return StoredObject(data, response.get("ETag", "").strip('"'), response.get("VersionId"))

    def _body(self, response: dict[str, Any]) -> bytes:
        limit = self.settings.limits.image_bytes
        announced = int(response["ContentLength"])
        if announced > limit:
            response["Body"].close()
            raise ApiError(
                "PayloadTooLarge",
                f"A picture may have at most {limit} bytes.",
                details={"limit_bytes": limit},
            )
        with response["Body"] as body:
            data = body.read(limit + 1)
        if len(data) != announced:
            raise unavailable()
        return bytes(data)


@functools.cache
def client() -> Any:
    """The S3 client. Timeouts are short and retries few: a Lambda call is short as well."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=16,
        ),
    )


def from_client_error(failure: Any) -> ApiError:
    """A botocore ClientError as one of our codes; its text, which may hold names, is dropped."""
    code = str(failure.response.get("Error", {}).get("Code", ""))
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in NOT_FOUND or status in (404, 412):
        return ApiError("ObjectNotFound", "There is no such object.")
    if code in PASSING or status >= 500 or status == 429:
        return unavailable()
    if code in REFUSED or status == 403:
        return ApiError(
            "BucketNotAllowed",
            "S3 refused access: the function's role, the bucket's owner or its key does not fit.",
        )
    if status == 400:
        return ApiError("InvalidRequest", "S3 does not accept this key or version id.")
    return unavailable()


def unavailable() -> ApiError:
    """S3 cannot be read now; the same call may succeed later."""
    return ApiError("StorageUnavailable", "S3 could not be read just now; try again.")
