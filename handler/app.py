"""What Lambda calls. Importing this module is the cold start."""

from collections.abc import Mapping
from typing import Any

from handler.call import Call
from handler.cold_start import AnyService, ready, start
from handler.errors import ApiError, render
from handler.observability import log_call
from handler.sources import KINDS, recognise

SERVICE = start()


def lambda_handler(event: Any, context: Any) -> Any:
    """Answers any event of a known kind."""
    return dispatch(event, context, SERVICE)


def dispatch(event: Any, context: Any, service: AnyService) -> Any:
    """Hands `event` to the module that knows its kind.

    An event of no known kind is answered with an error that names the kinds; one that carries
    records is raised instead, since answering would make its queue forget it.
    """
    source = recognise(event)
    if source is not None:
        return source.handle(event, context, service)
    error = ApiError(
        "InvalidRequest",
        f"The event is of no known kind. Known kinds: {'; '.join(KINDS)}.",
        details={"kinds": list(KINDS)},
    )
    call = Call(context)
    call.note(source="unknown", code=error.code, status=error.status, request_id=call.request_id)
    log_call(call.facts, service.settings.metrics_namespace)
    if isinstance(event, Mapping) and "Records" in event:
        raise error
    ready(service)
    return render(error, call.request_id)
