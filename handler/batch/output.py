"""Where the result of an object goes, and what is written there."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from handler.batch.types import Answer
from handler.errors import ApiError, render
from handler.faces.answers import image_answer
from handler.storage.types import ObjectReference, StoredObject

FORMAT = 1
# S3 refuses keys of more than 1,024 bytes of UTF-8.
MAX_KEY_BYTES = 1024
REQUESTS = "_requests"  # no bucket can be named so: an underscore is not allowed there
LONG_KEYS = "_sha256"


@dataclass(frozen=True)
class Output:
    """The output prefix of one function with one model.

    Args:
        bucket: Name of the output bucket.
        prefix: Without a slash at its end; may be empty.
        model: What results say of the model: its id, contract, SHA-256 and dimension.
    """

    bucket: str
    prefix: str
    model: Mapping[str, Any]

    def holds(self, reference: ObjectReference) -> bool:
        """Whether the object lies under the output prefix: embedding results would never end."""
        return reference.bucket == self.bucket and reference.key.startswith(self.path(""))

    def path(self, rest: str) -> str:
        return f"{self.prefix}/{rest}" if self.prefix else rest

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def key(self, reference: ObjectReference, picture: StoredObject) -> str:
        """`<prefix>/<bucket>/<key>/<version-or-etag>.<contract>.json`.

        It depends on what was read and how it is embedded, so every delivery of an object has the
        same key, and another contract gets its own. A key too long to be nested is replaced by
        `_sha256/<its digest>`; the result itself names it in full.
        """
        name = f"{picture.identity}.{self.model['contract']}.json"
        key = self.path(f"{reference.bucket}/{reference.key}/{name}")
        if len(key.encode()) <= MAX_KEY_BYTES:
            return key
        digest = hashlib.sha256(reference.key.encode()).hexdigest()
        return self.path(f"{reference.bucket}/{LONG_KEYS}/{digest}/{name}")

    def request_key(self, message_id: str) -> str:
        """Where the answer to a request that came through a queue goes."""
        return self.path(f"{REQUESTS}/{message_id}.json")

    def document(self, reference: ObjectReference, picture: StoredObject, answer: Answer) -> bytes:
        """The result as JSON.

        It holds no time and no request id: the same object gives the same result. `answer` is the
        picture with its faces, or the ApiError that says why there are none.
        """
        return msgspec.json.encode(
            {
                "format": FORMAT,
                "object": {
                    "bucket": reference.bucket,
                    "key": reference.key,
                    "version_id": picture.version_id,
                    "etag": picture.etag,
                    "size": picture.size,
                },
                "model": self.model,
                **describe(answer),
            }
        )


def describe(answer: Answer) -> dict[str, Any]:
    """The part of a result that is about the picture: its faces, or the reason for none."""
    if isinstance(answer, ApiError):
        return {"faces": [], "error": render(answer, "")["error"]}
    picture: dict[str, Any] = msgspec.to_builtins(image_answer(0, answer, "float"))
    del picture["index"]
    return picture
