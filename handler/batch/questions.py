"""A request as an object, whether it came by itself or through a queue: about faces, or about
collections."""

from collections.abc import Mapping
from typing import Any

from handler.faces.requests import COLLECTION_OPERATIONS, parse_object
from handler.faces.service import Service
from handler.invocation import Invocation


def answer(request: Mapping[str, Any], service: Service, invocation: Invocation) -> Any:
    """The answer. Raises ApiError."""
    if request.get("operation") in COLLECTION_OPERATIONS:
        from handler.search.service import run_object

        return run_object(request, service, invocation)
    return service.run(parse_object(request, service.settings.limits), invocation)
