"""The bucket that takes callers' pictures directly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from handler.storage import clients
from handler.storage.clients import owned_by
from handler.storage.faults import Fault, request_error

UPLOAD_SECONDS = 600


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
            form: dict[str, Any] = clients.client().generate_presigned_post(
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
        region = clients.client().meta.region_name
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
                clients.client().delete_object(Bucket=self.bucket, Key=key, **owned_by(self.owner))
            except (BotoCoreError, ClientError, OSError, UnicodeError):
                continue
            deleted += 1
        return deleted
