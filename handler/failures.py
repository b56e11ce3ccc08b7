"""Any exception as the ApiError that answers it; the log gets where it happened, not its text."""

from align.errors import AlignError
from handler.call import Call
from handler.errors import ApiError, where
from model_layer.errors import ModelError


def as_api_error(failure: Exception, call: Call) -> ApiError:
    """`failure` as the caller may see it, noted on `call` for its log line."""
    error = _translate(failure)
    call.note(code=error.code, status=error.status)
    if error.code == "InternalError":
        cause = failure.__cause__ or failure
        call.note(error_type=type(cause).__name__, where=where(cause))
    return error


def _translate(failure: Exception) -> ApiError:
    if isinstance(failure, ApiError):
        return failure
    if isinstance(failure, AlignError | ModelError):
        return ApiError.from_library(failure)
    return ApiError.internal()
