"""Pictures too large for a request: forms to send them to S3 with, and their removal.

A key is 32 random bytes, so that only who was given it can ask about its picture; the form holds
for that key, one content type and a size, for ten minutes. The bucket forgets it after a day.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, UnsetType

from handler.decoding import convert, decode_json
from handler.errors import ApiError
from handler.faces.find import heic_is_off
from handler.faces.requests import ImageObject, S3Reference, Source
from handler.invocation import Invocation
from handler.settings import Settings
from handler.storage.uploads import UPLOAD_SECONDS, UploadStore

PREFIX = "uploads/"
HEIC_TYPES = ("image/heic", "image/heif")


class UploadRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many pictures are to be sent, and of which type."""

    content_type: Annotated[
        Literal["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"],
        Meta(description="Content type of all pictures; HEIC only where FACENET_HEIC is on."),
    ]
    count: Annotated[int, Meta(ge=1)] = 1
    operation: Annotated[
        Literal["uploads"] | None, Meta(description="For a direct invocation.")
    ] = None


class UploadedImage(Struct, frozen=True):
    """The object for `images` once the picture is uploaded."""

    s3: S3Reference


class UploadForm(Struct, frozen=True, kw_only=True):
    """A form (multipart/form-data) for one picture: `fields` first, then the file as `file`."""

    url: str
    fields: dict[str, str]
    image: UploadedImage


class UploadsAnswer(Struct, frozen=True, kw_only=True):
    """One form for each requested picture."""

    operation: Literal["uploads"] = "uploads"
    uploads: list[UploadForm]
    expires_in: Annotated[int, Meta(description="Seconds until the forms expire.")]
    max_bytes: int
    request_id: str


def answer_json(body: bytes, settings: Settings, invocation: Invocation) -> UploadsAnswer:
    """The answer to an HTTP body. Raises ApiError."""
    return answer(decode_json(body, UploadRequest), settings, invocation)


def answer_object(
    event: Mapping[str, Any], settings: Settings, invocation: Invocation
) -> UploadsAnswer:
    """The answer to a direct invocation. Raises ApiError."""
    return answer(convert(event, UploadRequest), settings, invocation)


def answer(request: UploadRequest, settings: Settings, invocation: Invocation) -> UploadsAnswer:
    """Forms for new keys.

    Raises RouteNotFound where there is no upload bucket, UnsupportedFormat for HEIC where it is
    off, PayloadTooLarge for more forms than a call takes images, and StorageUnavailable.
    """
    invocation.note(operation="uploads")
    limits = settings.limits
    if settings.uploads is None:
        raise ApiError(
            "RouteNotFound",
            "Uploads are turned off; deploy with Uploads=yes, or set FACENET_UPLOADS to a bucket.",
            details={"setting": "FACENET_UPLOADS"},
        )
    if request.content_type in HEIC_TYPES and not settings.heic:
        raise heic_is_off()
    if request.count > limits.images:
        raise ApiError(
            "PayloadTooLarge",
            f"count: a request may ask for at most {limits.images} uploads.",
            details={"field": "count", "limit": limits.images},
        )
    store = UploadStore(settings.uploads, settings.output_owner)
    return UploadsAnswer(
        uploads=[
            _form(store, request.content_type, limits.image_bytes) for _ in range(request.count)
        ],
        expires_in=UPLOAD_SECONDS,
        max_bytes=limits.image_bytes,
        request_id=invocation.request_id,
    )


def _form(store: UploadStore, content_type: str, most_bytes: int) -> UploadForm:
    key = PREFIX + secrets.token_urlsafe(32)
    form = store.form(key, content_type, most_bytes)
    image = UploadedImage(S3Reference(bucket=store.bucket, key=key))
    return UploadForm(url=form["url"], fields=form["fields"], image=image)


def keys_to_delete(sources: Sequence[Source], settings: Settings) -> list[str]:
    """The keys of a request's uploaded pictures, which it asks to have removed.

    Raises InvalidRequest where none of its images is an upload: nothing else is ever deleted.
    """
    keys = [
        source.s3.key
        for source in sources
        if isinstance(source, ImageObject)
        and not isinstance(source.s3, UnsetType)
        and source.s3.bucket == settings.uploads
    ]
    if not keys:
        raise ApiError(
            "InvalidRequest",
            "delete: only pictures sent to an address of POST /v1/uploads can be deleted, and "
            "`images` has none.",
            details={"field": "delete"},
        )
    return keys


def delete_afterwards(keys: Sequence[str], settings: Settings, invocation: Invocation) -> None:
    """Has uploaded pictures removed once the answer can be delivered; the log counts them."""
    assert settings.uploads is not None
    store = UploadStore(settings.uploads, settings.output_owner)
    invocation.defer(lambda: invocation.note(deleted=store.delete(keys)))
