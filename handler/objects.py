"""Pictures out of S3: only from allowed buckets, never more bytes than the limit."""

import functools
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from handler.errors import ApiError, picture_too_large
from handler.requests import S3Reference
from handler.settings import Settings

CHUNK_BYTES = 16 * 1024
NOT_FOUND = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "NotFound"})
REFUSED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})
ARCHIVED = "InvalidObjectState"  # in Glacier, say
# Ours to fix or to wait for, so the same call may succeed later.
PASSING = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ExpiredToken",
        "KMS.ThrottlingException",
        "InvalidToken",
        "AuthorizationHeaderMalformed",
        "InternalError",
        "ServiceUnavailable",
    }
)


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects under the settings' rules. boto3 is imported by the first read."""

    settings: Settings
    require_time: Callable[[], None]

    def read(self, reference: S3Reference) -> bytes:
        """The bytes of an object that a request points to.

        Raises BucketNotAllowed, ObjectNotFound, PayloadTooLarge, StorageUnavailable and Timeout.
        """
        if reference.bucket not in self.settings.input_buckets:
            raise ApiError("BucketNotAllowed", "This bucket is not in FACENET_INPUT_BUCKETS.")
        from botocore.exceptions import BotoCoreError, ClientError

        self.require_time()
        optional = {
            "VersionId": reference.version_id,
            "ExpectedBucketOwner": self.settings.bucket_owner,
        }
        arguments = {name: value for name, value in optional.items() if value}
        try:
            response = client().get_object(Bucket=reference.bucket, Key=reference.key, **arguments)
            return self._body(response)
        except ClientError as failure:
            raise from_client_error(failure) from None
        except (BotoCoreError, OSError):
            raise unavailable() from None
        except UnicodeError:  # a lone surrogate, which JSON can hold and a URL cannot
            raise not_accepted() from None

    def _body(self, response: dict[str, Any]) -> bytes:
        """The body, unless it is too large; looks at the clock on the way, as S3 may be slow."""
        limit = self.settings.limits.image_bytes
        with closing(response["Body"]) as body:
            size = response.get("ContentLength")
            if size is None:  # whatever stands between S3 and us has lost its headers
                raise unavailable()
            if size > limit:
                raise picture_too_large(limit)
            data = bytearray()
            for chunk in body.iter_chunks(CHUNK_BYTES):
                data += chunk
                self.require_time()
        if len(data) != size:
            raise unavailable()
        return bytes(data)


@functools.cache
def client() -> Any:
    """The S3 client. Timeouts are short and retries few: a Lambda call is short as well.

    An S3 that says nothing costs two waits of three seconds. A call that has as much left when it
    asks answers StorageUnavailable; one that has less is stopped by Lambda, which is worth it: to
    refuse whatever comes late would refuse what S3 nearly always gives in a few milliseconds.
    """
    import boto3
    from botocore.config import Config

    # Their warnings and debug lines name objects; what a caller should know is in our errors.
    for library in ("boto3", "botocore", "urllib3"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=1,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=16,
        ),
    )


def from_client_error(failure: Any) -> ApiError:
    """A botocore ClientError as one of our codes; its text, which may hold names, is dropped."""
    code = str(failure.response.get("Error", {}).get("Code", ""))
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == ARCHIVED:
        return ApiError("ObjectNotFound", "The object is archived; restore it first.")
    if code in NOT_FOUND or status in (404, 405, 412):  # 405: a delete marker, by its version
        return ApiError("ObjectNotFound", "There is no such object.")
    if code in PASSING or status >= 500 or status == 429:
        return unavailable()
    if code in REFUSED or status == 403 or code.startswith("KMS."):
        return ApiError(
            "BucketNotAllowed",
            "S3 refused access: the function's role, the bucket's owner or its key does not fit.",
        )
    if status == 400:
        return not_accepted()
    return unavailable()


def not_accepted() -> ApiError:
    """No object can have this name."""
    return ApiError("InvalidRequest", "S3 does not accept this key or version id.")


def unavailable() -> ApiError:
    """S3 cannot be read now; the same call may succeed later."""
    return ApiError("StorageUnavailable", "S3 could not be read just now; try again.")
