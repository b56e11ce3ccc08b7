"""A direct invocation: the event is the request, the answer is the object itself."""

from collections.abc import Mapping
from typing import Any

from handler.batch import questions
from handler.errors import render
from handler.faces import answers, response_size
from handler.faces.service import AnyService, Service, ready
from handler.invocation import Invocation, as_api_error
from handler.observability import log_invocation


def matches(event: Mapping[str, Any]) -> bool:
    """Whether `event` looks like a request of ours."""
    return "images" in event or "operation" in event


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """The answer, or the error, as an object.

    Raises ModelUnavailable, so that the invocation fails, where the function could not start.
    """
    working = ready(service)
    invocation.note(source="direct", status=200, request_id=invocation.request_id)
    try:
        answer = answers.to_builtins(
            _require_deliverable(_run(event, invocation, working), working)
        )
        invocation.run_deferred()
    except Exception as failure:
        answer = render(as_api_error(failure, invocation), invocation.request_id)
    log_invocation(invocation.final_facts(), working.settings.metrics_namespace)
    return dict(answer)


def _run(event: Mapping[str, Any], invocation: Invocation, working: Service) -> Any:
    if event.get("operation") == "uploads":
        from handler.faces import uploads

        return uploads.answer_object(event, working.settings, invocation)
    return questions.answer(event, working, invocation)


def _require_deliverable(answer: Any, service: Any) -> Any:
    """`answer`, unless Lambda would refuse it."""
    response_size.require_direct(answers.encode(answer), service.settings.limits.response_bytes)
    return answer
