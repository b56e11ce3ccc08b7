"""The handler's exception, its table of statuses, and the only function that renders it."""

import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Code -> HTTP status. The codes are part of the API: clients switch on them.
STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "InvalidRequest": 400,
        "CountMismatch": 400,
        "InvalidBase64": 400,
        "UnknownOperation": 400,
        "ModelMismatch": 400,
        "BucketNotAllowed": 403,
        "ObjectNotFound": 404,
        "CollectionNotFound": 404,
        "PersonNotFound": 404,
        "RouteNotFound": 404,  # 405, with an Allow header, where only the method is wrong
        "CollectionFull": 409,  # and ModelMismatch, where it is about a collection's contract
        "PayloadTooLarge": 413,
        "ImageTooLarge": 413,
        "ResponseTooLarge": 413,
        "UnsupportedFormat": 415,
        "InvalidImage": 422,
        "FaceNotFound": 422,
        "LowQuality": 422,
        "InternalError": 500,
        "ModelUnavailable": 503,
        "StorageUnavailable": 503,
        "Timeout": 503,
    }
)
# Properties of a picture's bytes: a retry would give the same error.
ABOUT_THE_PICTURE = frozenset(
    {
        "FaceNotFound",
        "ImageTooLarge",
        "InvalidImage",
        "LowQuality",
        "PayloadTooLarge",
        "UnsupportedFormat",
    }
)
# Retryable: the cause is on our side and temporary.
RETRYABLE = frozenset({"InternalError", "StorageUnavailable", "Timeout"})
# Also on our side, but only a new deployment fixes it. A queue can wait for that; a caller cannot.
OURS = RETRYABLE | {"ModelUnavailable"}
MAX_MESSAGE = 500


class ApiError(Exception):
    """A refusal with a stable code, safe to show to a stranger.

    `details` holds facts about the request (an index, a limit, a field name); never a picture,
    an embedding or the text of a foreign exception. `fixable`: somebody can correct the cause (a
    role, a setting), so a queue keeps the request although the same call fails until then.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
        status: int | None = None,
        fixable: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.retryable = code in RETRYABLE if retryable is None else retryable
        self.status = STATUSES[code] if status is None else status
        self.fixable = fixable

    @property
    def can_wait(self) -> bool:
        """Whether a queue keeps the request: it may succeed later, unchanged."""
        return self.code in OURS or self.retryable or self.fixable

    @classmethod
    def from_library(cls, failure: Exception) -> "ApiError":
        """An error of `align` or `model_layer`: its class name is the code.

        An unknown class becomes InternalError, without details.
        """
        code = type(failure).__name__
        if code not in STATUSES or not hasattr(failure, "details"):
            return cls.internal()
        text = str(getattr(failure, "message", failure)).rstrip(".")
        return cls(code, f"{text[:1].upper()}{text[1:]}.", details=failure.details)

    @classmethod
    def internal(cls) -> "ApiError":
        """The answer to an unexpected failure; details go to the log only."""
        return cls(
            "InternalError", "Internal error; the log has the details under this request id."
        )

    def about_image(self, index: int) -> "ApiError":
        """The same error, which also says which image of the request it is about."""
        message = f"images[{index}]: {self.message}"
        return self._with_message(message, {**self.details, "image": index})

    def without_traceback(self) -> "ApiError":
        """A copy that is safe to store: a traceback keeps frames alive, and they hold pictures."""
        return self._with_message(self.message, self.details)

    def _with_message(self, message: str, details: Mapping[str, Any]) -> "ApiError":
        return ApiError(
            self.code,
            message,
            details=details,
            retryable=self.retryable,
            status=self.status,
            fixable=self.fixable,
        )


def picture_too_large(limit: int) -> ApiError:
    """A picture of more than `limit` bytes, wherever it comes from."""
    message = f"A picture may have at most {limit} bytes."
    return ApiError("PayloadTooLarge", message, details={"limit_bytes": limit})


def render(error: ApiError, request_id: str) -> dict[str, Any]:
    """The error as a JSON object, the same for every kind of event."""
    return {
        "error": {
            "code": error.code,
            "message": printable(error.message),
            "details": {name: _to_json(value) for name, value in error.details.items()},
            "retryable": error.retryable,
        },
        "request_id": request_id,
    }


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` without control characters or lone surrogates, which JSON encoders refuse."""
    kept = text[:limit].encode("utf-8", "replace").decode("utf-8")
    if kept.isprintable():
        return kept
    return "".join(sign if sign.isprintable() else " " for sign in kept)


def innermost_frames(failure: BaseException) -> list[str]:
    """The innermost frames as `file:line:function`: a stack trace without data, for the log."""
    frames = traceback.extract_tb(failure.__traceback__)[-4:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}:{frame.name}" for frame in frames]


def _to_json(value: Any) -> Any:
    """`value` as JSON, whatever a library put into its details."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {printable(str(name)): _to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(item) for item in value]
    return printable(str(value))
