"""The objects below one prefix of a bucket, in which collections are kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from handler.storage import clients
from handler.storage.faults import (
    CODES,
    Fault,
    TransientFailure,
    as_request_error,
    fault_of,
    request_error,
)
from handler.storage.store import S3Store

DELETE_BATCH = 1000  # keys a DeleteObjects call takes


@dataclass(frozen=True)
class ObjectPrefix:
    """The objects below one prefix of a bucket, by their keys without it. Raises ApiError.

    Args:
        prefix: Ends with a slash, or is empty.
        s3: A boto3 S3 client; None takes `clients.client()`.
    """

    bucket: str
    prefix: str
    s3: Any = None

    def read(self, key: str) -> bytes | None:
        """The object; None where there is none."""
        from botocore.exceptions import ClientError

        with as_request_error():
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
        with as_request_error():
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
            with as_request_error():
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
        return clients.client() if self.s3 is None else self.s3

    def _pages(self, prefix: str, after: str, **arguments: str) -> Iterator[Mapping[str, Any]]:
        if after:
            arguments["StartAfter"] = self.prefix + after
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, **arguments
            )
        )
        while True:
            with as_request_error():
                page = next(pages, None)
            if page is None:
                return
            yield page
