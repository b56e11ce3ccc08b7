"""Our errors as Rekognition's: `__type` and status decide what a client raises and retries.

SDKs repeat a call for a status of 500 and above, and for the two throttling types by their names.
https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
"""

from collections.abc import Mapping
from types import MappingProxyType

from handler.errors import ApiError

INVALID = "InvalidParameterException"
INTERNAL = "InternalServerError"
# Our code -> their type; a code that is not here is a fault of the request.
TYPES: Mapping[str, str] = MappingProxyType(
    {
        "BucketNotAllowed": "InvalidS3ObjectException",
        "ObjectNotFound": "InvalidS3ObjectException",
        "UnsupportedFormat": "InvalidImageFormatException",
        "InvalidImage": "InvalidImageFormatException",
        "PayloadTooLarge": "ImageTooLargeException",
        "ImageTooLarge": "ImageTooLargeException",
        "CollectionNotFound": "ResourceNotFoundException",
        "PersonNotFound": "ResourceNotFoundException",
        "CollectionFull": "ServiceQuotaExceededException",
        "ResponseTooLarge": "ServiceQuotaExceededException",
        # The picture may be read in time when fewer calls are running: worth a slower repetition.
        "Timeout": "ThrottlingException",
        "InternalError": INTERNAL,
        "ModelUnavailable": INTERNAL,
    }
)


class RekognitionError(Exception):
    """An error of the protocol."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message

    @property
    def status(self) -> int:
        return 500 if self.kind == INTERNAL else 400


def invalid(message: str) -> RekognitionError:
    """A parameter that the operation does not take."""
    return RekognitionError(INVALID, message)


def translate(failure: ApiError) -> RekognitionError:
    """The same refusal in Rekognition's words."""
    if failure.code == "StorageUnavailable":
        # Storage that refuses the function's role does not pass by itself.
        kind = "ProvisionedThroughputExceededException" if failure.retryable else INTERNAL
        return RekognitionError(kind, failure.message)
    return RekognitionError(TYPES.get(failure.code, INVALID), failure.message)
