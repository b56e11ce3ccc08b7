"""The Lambda entry point. Importing this module is the cold start."""

from typing import Any

from handler.cold_start import start
from handler.errors import ApiError, render
from handler.faces.service import AnyService, ready
from handler.invocation import Invocation, as_api_error
from handler.observability import log_errors, log_invocation
from handler.sources import KINDS, is_delivered, recognise
from handler.storage.faults import TransientFailure

SERVICE = start()


def lambda_handler(event: Any, context: Any) -> Any:
    """Answers any event of a known kind."""
    return dispatch(event, context, SERVICE)


def dispatch(event: Any, context: Any, service: AnyService) -> Any:
    """Hands `event` to the module that knows its kind.

    An event of no known kind is answered with an error that names the kinds. One that a service
    delivers is raised instead, since an answer would make its queue delete it.
    """
    invocation = Invocation(context)
    source = recognise(event)
    if source is not None:
        try:
            return source.handle(event, invocation, service)
        except Exception as failure:
            count_failure(failure, invocation, service)
            raise
    error = ApiError(
        "InvalidRequest",
        f"Unknown kind of event. Known kinds: {'; '.join(KINDS)}.",
        details={"kinds": list(KINDS)},
    )
    invocation.note(
        source="unknown", code=error.code, status=error.status, request_id=invocation.request_id
    )
    log_invocation(invocation.facts, service.settings.metrics_namespace)
    if is_delivered(event):
        raise error
    ready(service)
    return render(error, invocation.request_id)


def count_failure(failure: Exception, invocation: Invocation, service: AnyService) -> None:
    """Logs a failed invocation and counts it as a metric; a batch counts its own objects."""
    if isinstance(failure, TransientFailure):
        return
    error = as_api_error(failure, invocation)
    invocation.note(request_id=invocation.request_id)
    log_errors(
        {error.code: 1},
        service.settings.metrics_namespace,
        level="ERROR",
        **invocation.final_facts(),
    )
