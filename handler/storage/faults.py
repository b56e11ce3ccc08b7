"""What a failed S3 request means, and the exceptions for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from handler.errors import ApiError


class Fault(Enum):
    """What a failed S3 request means."""

    GONE = auto()  # no such object or version, or a delete marker
    NO_BUCKET = auto()
    ARCHIVED = auto()  # in Glacier, say
    REFUSED = auto()  # the role, the bucket's policy or owner, or the key; somebody can fix it
    NOT_ACCEPTED = auto()  # no object can have this name
    ENCRYPTED = auto()  # encrypted with a customer-provided key (SSE-C)
    TRANSIENT = auto()  # the same call may succeed later


# A delete marker answers 405 to a read of it by version, 404 (NoSuchKey) otherwise.
CODES = MappingProxyType(
    {
        **dict.fromkeys(
            ("NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed", "404", "405"), Fault.GONE
        ),
        "NoSuchBucket": Fault.NO_BUCKET,
        "InvalidObjectState": Fault.ARCHIVED,
        **dict.fromkeys(("AccessDenied", "Forbidden", "AllAccessDisabled", "403"), Fault.REFUSED),
        **dict.fromkeys(
            (
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
            ),
            Fault.TRANSIENT,
        ),
    }
)
STATUSES = MappingProxyType(
    {
        400: Fault.NOT_ACCEPTED,
        403: Fault.REFUSED,
        404: Fault.GONE,
        405: Fault.GONE,
        412: Fault.GONE,
    }
)
ENCRYPTED = (
    "The object is encrypted with a customer-provided key (SSE-C), which the function does not "
    "have: store it with SSE-S3 or SSE-KMS"
)


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


def fault_of(failure: Any) -> Fault:
    """What a botocore ClientError means: by its code, else by its HTTP status."""
    code, status = code_of(failure), status_of(failure)
    if code in CODES:
        return CODES[code]
    if status >= 500 or status == 429:
        return Fault.TRANSIENT
    if code.startswith("KMS."):
        return Fault.REFUSED
    # Its code is InvalidRequest (InvalidArgument from Ceph), which stands for much else too.
    if status == 400 and "encryption" in message_of(failure).lower():
        return Fault.ENCRYPTED
    return STATUSES.get(status, Fault.TRANSIENT)


def request_error(fault: Fault) -> ApiError:
    """A fault as a caller sees it; S3's own text, which may hold names, is dropped."""
    if fault is Fault.GONE:
        return ApiError("ObjectNotFound", "The object does not exist.")
    if fault is Fault.NO_BUCKET:
        return ApiError("ObjectNotFound", "The bucket does not exist.", fixable=True)
    if fault is Fault.ARCHIVED:
        return ApiError("ObjectNotFound", "The object is archived; restore it first.")
    if fault is Fault.REFUSED:
        return ApiError(
            "BucketNotAllowed",
            "S3 refused access: check the function's role, the bucket's policy and owner, and "
            "its KMS key.",
            fixable=True,
        )
    if fault is Fault.ENCRYPTED:
        return ApiError("InvalidRequest", f"{ENCRYPTED}.", fixable=True)
    if fault is Fault.NOT_ACCEPTED:
        return ApiError("InvalidRequest", "S3 does not accept this key or version id.")
    return ApiError("StorageUnavailable", "S3 could not be read; try again.")


@contextmanager
def as_request_error() -> Iterator[None]:
    """What S3 raises, as an ApiError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as failure:
        raise request_error(fault_of(failure)) from None
    except (BotoCoreError, OSError):
        raise request_error(Fault.TRANSIENT) from None
    except UnicodeError:  # a lone surrogate, which JSON can hold and a URL cannot
        raise request_error(Fault.NOT_ACCEPTED) from None


@contextmanager
def as_batch_error() -> Iterator[None]:
    """What S3 raises, as one of the exceptions of batches."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as failure:
        raise batch_error(failure) from None
    except (BotoCoreError, OSError) as failure:
        raise connection_failure(failure) from None


def batch_error(failure: Any) -> Exception:
    """A ClientError as a batch handles it: only a missing or archived object is not retried."""
    fault = fault_of(failure)
    if fault is Fault.GONE:
        return ObjectGone()
    if fault is Fault.ENCRYPTED:
        return TransientFailure(code_of(failure), ENCRYPTED)
    return ObjectArchived() if fault is Fault.ARCHIVED else as_transient(failure)


def write_error(failure: Any) -> TransientFailure:
    """Why a result could not be written. A refusal can be fixed, so it is retried."""
    if fault_of(failure) is not Fault.REFUSED:
        return as_transient(failure)
    return TransientFailure(
        code_of(failure),
        "S3 refused the result: check that the output bucket belongs to the account of "
        "FACENET_OUTPUT_OWNER (the function's own by default), its policy and its KMS key, and "
        "the function's role",
    )


def as_transient(failure: Any) -> TransientFailure:
    """A ClientError as a TransientFailure with S3's code."""
    return TransientFailure(code_of(failure), f"S3 answered {status_of(failure)}")


def connection_failure(failure: Exception) -> TransientFailure:
    """Timeouts, dropped connections, short bodies and wrong checksums."""
    return TransientFailure(type(failure).__name__, "the connection to S3 failed")


def code_of(failure: Any) -> str:
    """The code of a botocore ClientError."""
    return str(failure.response.get("Error", {}).get("Code", "Unknown"))


def message_of(failure: Any) -> str:
    """The text of a botocore ClientError. It may contain names: inspect it, never show it."""
    return str(failure.response.get("Error", {}).get("Message", ""))


def status_of(failure: Any) -> int:
    """The HTTP status of a botocore ClientError; 0 where there is none."""
    return int(failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
