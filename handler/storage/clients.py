"""boto3's clients as the function uses them. The first use imports boto3."""

import functools
import logging
from collections.abc import Mapping
from typing import Any

from handler.storage.types import ObjectReference


@functools.cache
def client() -> Any:
    """The S3 client. Timeouts are short and retries few: a Lambda invocation is short as well.

    An S3 that does not answer costs two timeouts of three seconds. An invocation with that much
    time left answers StorageUnavailable; Lambda stops one with less. That is deliberate: refusing
    every late read would refuse reads that S3 nearly always answers within milliseconds.
    """
    # Otherwise forms get a signature version that KMS refuses.
    s3 = quiet_client("s3", total_max_attempts=2, signature_version="s3v4")

    s3.meta.events.register_last("before-call.s3", _send_at_once)
    return s3


def _send_at_once(params: Mapping[str, Any], **_: Any) -> None:
    """Drops `Expect: 100-continue`, which botocore adds to every upload.

    What is written here is small, so it would only cost a round trip.
    """
    params["headers"].pop("Expect", None)


def quiet_client(service: str, *, total_max_attempts: int, **config: Any) -> Any:
    """A boto3 client with short timeouts that logs nothing: log lines of its own name objects."""
    import boto3
    from botocore.config import Config

    for library in ("boto3", "botocore", "urllib3"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    return boto3.client(
        service,
        config=Config(
            **config,
            connect_timeout=1,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": total_max_attempts},
            max_pool_connections=16,
        ),
    )


def get_object(s3: Any, reference: ObjectReference, owner: str | None) -> Mapping[str, Any]:
    """S3's response for an object; `owner` is the account that must own its bucket, if given."""
    version = {"VersionId": reference.version_id} if reference.version_id else {}
    response: Mapping[str, Any] = s3.get_object(
        Bucket=reference.bucket, Key=reference.key, **version, **owned_by(owner)
    )
    return response


def owned_by(account: str | None) -> dict[str, str]:
    """The argument with which S3 refuses (403) a bucket of any other account."""
    return {"ExpectedBucketOwner": account} if account else {}
