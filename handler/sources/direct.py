"""A direct invocation: the event is the request, the answer is the object itself."""

from collections.abc import Mapping
from typing import Any

from handler import answers
from handler.call import Call
from handler.cold_start import AnyService, ready
from handler.errors import render
from handler.failures import as_api_error
from handler.observability import log_call
from handler.requests import parse_object


def matches(event: Mapping[str, Any]) -> bool:
    """Whether `event` looks like a request of ours."""
    return "images" in event or "operation" in event


def handle(event: Mapping[str, Any], context: Any, service: AnyService) -> dict[str, Any]:
    """The answer, or the error, as an object.

    Raises ModelUnavailable, so that the invocation fails, where the function could not start.
    """
    working = ready(service)
    call = Call(context)
    call.note(source="direct", status=200, request_id=call.request_id)
    try:
        answer = answers.to_builtins(
            _deliverable(working.run(parse_object(event, working.settings.limits), call), working)
        )
    except Exception as failure:
        answer = render(as_api_error(failure, call), call.request_id)
    log_call(call.ended(), working.settings.metrics_namespace)
    return dict(answer)


def _deliverable(answer: Any, service: Any) -> Any:
    """`answer`, unless Lambda would refuse it. The runtime writes JSON with spaces in it."""
    body = answers.encode(answer)
    size = len(body) + body.count(b",") + body.count(b":")
    answers.require_payload(size, service.settings.limits.response_bytes)
    return answer
