"""The clock of an invocation: Lambda's, or that of a gateway that gives up sooner."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.http_events import function_url, http_v2, rest_v1
from handler import app
from handler.errors import ApiError
from handler.http import source
from handler.invocation import Invocation
from handler.storage.faults import TransientFailure
from tests.unit.handler.service_fakes import make_service

MINUTES = 15 * 60_000


def patient() -> Any:
    """A function with the longest timeout."""
    return SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: MINUTES)


def test_an_invocation_ends_before_its_caller_gives_up() -> None:
    invocation = Invocation(patient())
    invocation.end_within(29)
    assert 28_000 < invocation.remaining_ms() <= 29_000
    assert 25_000 < invocation.begin_part(3_000).remaining_ms() <= 26_000


def test_the_functions_own_end_counts_where_it_is_sooner() -> None:
    invocation = Invocation(SimpleNamespace(get_remaining_time_in_millis=lambda: 5_000))
    invocation.end_within(29)
    assert invocation.remaining_ms() == 5_000


@pytest.mark.parametrize(
    ("event", "seconds"),
    [
        (http_v2("/v1/health", None, method="GET"), 29),
        (rest_v1("/v1/health", ""), 28),
        (function_url("/v1/health", ""), None),
    ],
)
def test_requests_through_an_api_stop_when_it_does(
    event: dict[str, Any], seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def look(_request: Any, _service: Any, invocation: Invocation) -> Any:
        seen.append(invocation.remaining_ms())
        return source.HttpResponse(200)

    monkeypatch.setattr(source, "_run", look)
    app.dispatch(event, patient(), make_service())
    (left,) = seen
    assert left == MINUTES if seconds is None else seconds - 1 < left / 1000 <= seconds


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", "123456789012"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:f:live", "123456789012"),
        ("", None),
        (None, None),
        ("nonsense", None),
    ],
)
def test_the_account_is_that_of_the_functions_arn(arn: str | None, account: str | None) -> None:
    assert Invocation(SimpleNamespace(invoked_function_arn=arn)).account == account


@pytest.mark.parametrize(
    ("failure", "codes"),
    [
        (RuntimeError("secret"), ["InternalError"]),
        (ApiError("InvalidRequest", "no"), ["InvalidRequest"]),
        (TransientFailure("SlowDown", "later"), []),  # the batch has counted its objects
    ],
)
def test_an_invocation_that_fails_is_counted(
    failure: Exception,
    codes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def handle(*_arguments: Any) -> None:
        raise failure

    monkeypatch.setattr(app, "recognise", lambda _event: SimpleNamespace(handle=handle))
    with pytest.raises(type(failure)):
        app.dispatch({}, None, make_service(metrics_namespace="faces"))
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["code"] for line in lines] == codes
    assert all(line["_aws"] and line["errors"] == 1 for line in lines)
    assert "secret" not in printed
