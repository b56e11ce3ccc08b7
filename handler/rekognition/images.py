"""An image as Rekognition's requests give it, as a source of ours."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from handler.errors import ApiError
from handler.faces.images import decode_base64
from handler.faces.requests import ImageObject, S3Reference, Source
from handler.rekognition.errors import RekognitionError, invalid

# The longest ImageBlob of the service's model. A body of Lambda's 6 MB holds about 4.5 MB.
IMAGE_BYTES = 5 * 1024 * 1024

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Bucket = Annotated[str, Meta(min_length=3, max_length=255, pattern=r"\A[0-9A-Za-z.\-_]*\Z")]
Filter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]
# As a share of full quality (`handler.faces.quality.limits_for`); None is our own default.
SHARES: dict[Filter, float | None] = {
    "NONE": 0.0,
    "AUTO": None,
    "LOW": 0.3,
    "MEDIUM": 0.5,
    "HIGH": 0.7,
}


class S3Object(Struct, frozen=True, kw_only=True, rename="pascal"):
    """An object in a bucket that FACENET_INPUT_BUCKETS allows."""

    bucket: Bucket
    name: Text
    version: Text | None = None


class Image(Struct, frozen=True, kw_only=True, rename="pascal"):
    """`Bytes` (base64 in JSON) or `S3Object`."""

    bytes: str | None = None
    s3_object: S3Object | None = None

    def source(self, field: str) -> Source:
        """For `handler.faces`. Raises RekognitionError, which names `field`."""
        if (self.bytes is None) == (self.s3_object is None):
            raise invalid(f"{field}: give either Bytes or S3Object.")
        if self.s3_object is not None:
            place = self.s3_object
            return ImageObject(
                s3=S3Reference(bucket=place.bucket, key=place.name, version_id=place.version)
            )
        return _decoded(self.bytes or "", field)


def _decoded(text: str, field: str) -> bytes:
    try:
        data = decode_base64(text, IMAGE_BYTES)
    except ApiError as failure:
        if failure.code == "PayloadTooLarge":
            raise _too_large(field) from None
        raise invalid(f"{field}.Bytes: {failure.message}") from None
    if not data:
        raise invalid(f"{field}.Bytes: is empty.")
    if len(data) > IMAGE_BYTES:
        raise _too_large(field)
    return data


def _too_large(field: str) -> RekognitionError:
    return RekognitionError(
        "ImageTooLargeException",
        f"{field}.Bytes: at most {IMAGE_BYTES} bytes; use S3Object for larger pictures.",
    )
