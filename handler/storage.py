"""The only module that calls S3: reads pictures, writes results, classifies failures.

Requests read through `ObjectReader` and get an ApiError; batches use `S3Store` and get one of the
exceptions below. Both classify failures by `fault_of`.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from handler.errors import ApiError, picture_too_large
from handler.settings import Settings

CHUNK_BYTES = 16 * 1024
UPLOAD_SECONDS = 600


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
EXISTS = frozenset({"PreconditionFailed", "412"})
# Another conditional write of the same key is in progress; S3 asks to send the request again.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
CONFLICT = frozenset({"ConditionalRequestConflict", "409"})
CONFLICT_RETRIES = 4
DELETE_BATCH = 1000  # keys a DeleteObjects call takes


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
        from botocore.exceptions import BotoCoreError, ClientError

        require_time()
        try:
            # The upload bucket is the stack's own, as the output bucket is.
            settings = self.settings
            owner = settings.output_owner if uploaded else settings.bucket_owner
            response = get_object(client(), reference, owner)
            return self._body(response, require_time)
        except ClientError as failure:
            raise request_error(fault_of(failure)) from None
        except (BotoCoreError, OSError):
            raise request_error(Fault.TRANSIENT) from None
        except UnicodeError:  # a lone surrogate, which JSON can hold and a URL cannot
            raise request_error(Fault.NOT_ACCEPTED) from None

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
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._stored(get_object(self.client, reference, self.bucket_owner))
        except ClientError as failure:
            raise batch_error(failure) from None
        except (BotoCoreError, OSError) as failure:
            raise connection_failure(failure) from None

    def identity(self, reference: ObjectReference) -> str | None:
        """The identity of the object's current bytes (`StoredObject.identity`).

        None where it is gone. Raises TransientFailure.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        owner = {"ExpectedBucketOwner": self.bucket_owner} if self.bucket_owner else {}
        try:
            response = self.client.head_object(Bucket=reference.bucket, Key=reference.key, **owner)
        except ClientError as failure:
            if fault_of(failure) is Fault.GONE:
                return None
            raise as_transient(failure) from None
        except (BotoCoreError, OSError) as failure:
            raise connection_failure(failure) from None
        etag = response["ETag"].strip('"')
        return StoredObject(etag, response.get("VersionId") or None, 0, b"").identity

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
        etag = response["ETag"].strip('"')
        return StoredObject(etag, response.get("VersionId") or None, size, data)


@dataclass(frozen=True)
class UploadStore:
    """The bucket that takes callers' pictures directly, and nothing else.

    `owner` is the account that must own it, if known.
    """

    bucket: str
    owner: str | None = None

    def form(self, key: str, content_type: str, most_bytes: int) -> dict[str, Any]:
        """A presigned POST, `{"url", "fields"}`, for one object of that type and size.

        Signing makes no call: S3 checks the form when it is sent. Raises StorageUnavailable.
        """
        from botocore.exceptions import BotoCoreError

        conditions: list[Any] = [
            {"Content-Type": content_type},
            ["content-length-range", 1, most_bytes],
        ]
        try:
            form: dict[str, Any] = client().generate_presigned_post(
                self.bucket,
                key,
                Fields={"Content-Type": content_type},
                Conditions=conditions,
                ExpiresIn=UPLOAD_SECONDS,
            )
        except BotoCoreError:
            raise request_error(Fault.TRANSIENT) from None
        # S3's global address redirects for a day after a bucket was made, and curl sends no form
        # twice.
        region = client().meta.region_name
        url = form["url"].replace(".s3.amazonaws.com", f".s3.{region}.amazonaws.com")
        return {**form, "url": url}

    @property
    def origin(self) -> str:
        """Where forms go, as a page's security policy names it."""
        parts = urlsplit(self.form("-", "image/jpeg", 1)["url"])
        return f"{parts.scheme}://{parts.netloc}"

    def delete(self, keys: Sequence[str]) -> int:
        """Deletes objects; how many S3 confirmed. The bucket's lifecycle deletes the rest."""
        from botocore.exceptions import BotoCoreError, ClientError

        deleted = 0
        for key in dict.fromkeys(keys):
            try:
                client().delete_object(Bucket=self.bucket, Key=key, **owned_by(self.owner))
            except (BotoCoreError, ClientError, OSError, UnicodeError):
                continue
            deleted += 1
        return deleted


@functools.cache
def client() -> Any:
    """The S3 client. Timeouts are short and retries few: a Lambda invocation is short as well.

    An S3 that does not answer costs two timeouts of three seconds. An invocation with that much
    time left answers StorageUnavailable; Lambda stops one with less. That is deliberate: refusing
    every late read would refuse reads that S3 nearly always answers within milliseconds.
    """
    # Otherwise forms get a signature version that KMS refuses.
    return quiet_client("s3", total_max_attempts=2, signature_version="s3v4")


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


@dataclass(frozen=True)
class ObjectPrefix:
    """The objects below one prefix of a bucket, by their keys without it. Raises ApiError.

    Args:
        prefix: Ends with a slash, or is empty.
        s3: A boto3 S3 client; None takes `client()`.
    """

    bucket: str
    prefix: str
    s3: Any = None

    def read(self, key: str) -> bytes | None:
        """The object; None where there is none."""
        from botocore.exceptions import ClientError

        with _as_request_error():
            try:
                response = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)
                with closing(response["Body"]) as body:
                    return bytes(body.read())
            except ClientError as failure:
                if fault_of(failure) is Fault.GONE:
                    return None
                raise

    def write_new(self, key: str, body: bytes) -> bool:
        """Writes unless the key exists; whether it was written."""
        store = S3Store(self._client, self.bucket, 0)
        try:
            return store.put_new(self.prefix + key, body)
        except TransientFailure as failure:
            if failure.code in CODES and CODES[failure.code] is not Fault.TRANSIENT:
                raise request_error(CODES[failure.code]) from None
            raise request_error(Fault.TRANSIENT) from None

    def replace(self, key: str, body: bytes) -> None:
        """Writes, whether the key exists or not."""
        with _as_request_error():
            self._client.put_object(
                Bucket=self.bucket,
                Key=self.prefix + key,
                Body=body,
                ContentType="application/json",
            )

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order, from the first one above `after`."""
        for page in self._pages(prefix, after):
            for row in page.get("Contents", ()):
                yield row["Key"][len(self.prefix) :]

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        """What stands between `prefix` and the next slash, in order, each once; above `after`."""
        # "0" follows "/": the first key that is not below the folder `after`.
        start = f"{prefix}{after}0" if after else ""
        for page in self._pages(prefix, start, Delimiter="/"):
            for row in page.get("CommonPrefixes", ()):
                yield row["Prefix"][len(self.prefix) + len(prefix) : -1]

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes; a key that is not there is no error."""
        for start in range(0, len(keys), DELETE_BATCH):
            names = [{"Key": self.prefix + key} for key in keys[start : start + DELETE_BATCH]]
            with _as_request_error():
                answer = self._client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": names, "Quiet": True}
                )
            if answer.get("Errors"):
                code = answer["Errors"][0].get("Code", "")
                raise request_error(CODES.get(code, Fault.TRANSIENT))

    def stamp(self) -> int | None:
        """None: only a listing shows whether a prefix changed."""
        return None

    @property
    def _client(self) -> Any:
        return client() if self.s3 is None else self.s3

    def _pages(self, prefix: str, after: str, **arguments: str) -> Iterator[Mapping[str, Any]]:
        if after:
            arguments["StartAfter"] = self.prefix + after
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, **arguments
            )
        )
        while True:
            with _as_request_error():
                page = next(pages, None)
            if page is None:
                return
            yield page


@contextmanager
def _as_request_error() -> Iterator[None]:
    """What S3 raises, as an ApiError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as failure:
        raise request_error(fault_of(failure)) from None
    except (BotoCoreError, OSError):
        raise request_error(Fault.TRANSIENT) from None
    except UnicodeError:
        raise request_error(Fault.NOT_ACCEPTED) from None
