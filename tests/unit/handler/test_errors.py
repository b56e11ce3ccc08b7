"""One table, one renderer; foreign exceptions say nothing of themselves."""

import json

import pytest

from align.errors import ImageTooLarge
from handler.errors import (
    ABOUT_THE_PICTURE,
    OURS,
    RETRYABLE,
    STATUSES,
    ApiError,
    printable,
    render,
)
from handler.invocation import Invocation, as_api_error
from model_layer.errors import ModelMismatch

# The contract; a change here is a change of the API.
PROMISED = {
    400: {"InvalidRequest", "CountMismatch", "InvalidBase64", "UnknownOperation", "ModelMismatch"},
    403: {"BucketNotAllowed"},
    404: {"ObjectNotFound", "RouteNotFound", "CollectionNotFound", "PersonNotFound"},
    409: {"CollectionFull"},
    413: {"PayloadTooLarge", "ImageTooLarge", "ResponseTooLarge"},
    415: {"UnsupportedFormat"},
    422: {"InvalidImage", "FaceNotFound", "LowQuality"},
    500: {"InternalError"},
    503: {"ModelUnavailable", "StorageUnavailable", "Timeout"},
}


def test_every_code_has_its_promised_status() -> None:
    by_status: dict[int, set[str]] = {}
    for code, status in STATUSES.items():
        by_status.setdefault(status, set()).add(code)
    assert by_status == PROMISED


def test_only_what_may_pass_is_worth_another_try() -> None:
    assert {"InternalError", "StorageUnavailable", "Timeout"} == RETRYABLE


def test_a_queue_keeps_what_is_no_fault_of_the_request() -> None:
    """A batch and a queued request decide by the same table."""
    kept = {code for code in STATUSES if ApiError(code, "").can_wait}
    assert kept == {code for code, status in STATUSES.items() if status >= 500} == OURS
    assert not kept & ABOUT_THE_PICTURE
    assert ApiError("BucketNotAllowed", "", fixable=True).can_wait


def test_an_error_renders_as_promised() -> None:
    error = ApiError("FaceNotFound", "No face.", details={"image": 1})
    assert render(error, "id") == {
        "error": {
            "code": "FaceNotFound",
            "message": "No face.",
            "details": {"image": 1},
            "retryable": False,
        },
        "request_id": "id",
    }


def test_whatever_is_in_the_details_comes_out_as_plain_json() -> None:
    details = {
        "nan": float("nan"),
        "set": {1},
        "bytes": b"\xff",
        "text": "a\ud800\n",
        "nested": {"path": [object, 1.5, True, None]},
    }
    rendered = render(ApiError("InvalidRequest", "\ud800\x00", details=details), "id")
    text = json.dumps(rendered, allow_nan=False)
    assert "\\ud800" not in text
    assert rendered["error"]["details"]["nan"] is None
    assert rendered["error"]["details"]["nested"]["path"][1:] == [1.5, True, None]


@pytest.mark.parametrize(
    ("failure", "code", "details"),
    [
        (ImageTooLarge("too many pixels", pixels=9), "ImageTooLarge", {"pixels": 9}),
        (ModelMismatch("no"), "ModelMismatch", {}),
        (ApiError("Timeout", "late"), "Timeout", {}),
    ],
)
def test_errors_of_the_libraries_keep_their_names(
    failure: Exception, code: str, details: dict[str, int]
) -> None:
    error = as_api_error(failure, Invocation())
    assert (error.code, error.details) == (code, details)


@pytest.mark.parametrize(
    "failure", [ValueError("secret"), KeyError("secret"), RecursionError("secret"), MemoryError()]
)
def test_an_unforeseen_failure_leaks_nothing(failure: Exception) -> None:
    invocation = Invocation()
    try:
        raise failure
    except type(failure) as caught:
        error = as_api_error(caught, invocation)
    assert (error.code, error.retryable) == ("InternalError", True)
    assert "secret" not in json.dumps([render(error, "id"), invocation.facts])
    assert invocation.facts["error_type"] == type(failure).__name__
    assert invocation.facts["where"][-1].endswith("test_an_unforeseen_failure_leaks_nothing")


def test_long_texts_are_cut() -> None:
    assert len(printable("x" * 10_000)) == 500
