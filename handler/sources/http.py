"""An HTTP request, in whichever of the four shapes."""

from collections.abc import Mapping
from typing import Any

from handler import answers
from handler.call import Call
from handler.cold_start import AnyService
from handler.errors import ApiError, render
from handler.failures import as_api_error
from handler.http import (
    HttpRequest,
    HttpResponse,
    is_http,
    read_request,
    require_deliverable,
    write_response,
)
from handler.observability import log_call
from handler.routes import allowed_methods, find_endpoint, find_route
from handler.settings import Settings

# Answers hold biometric data: nothing on the way may keep them.
COMMON_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

matches = is_http


def handle(event: Mapping[str, Any], context: Any, service: AnyService) -> dict[str, Any]:
    """The response in the request's own shape. Errors are responses too."""
    call = Call(context)
    request = read_request(event)
    call.note(source=request.shape, request_id=call.request_id)
    response = _respond(request, service, call)
    call.note(status=response.status)
    log_call(call.ended(), service.settings.metrics_namespace)
    return write_response(request, response)


def _respond(request: HttpRequest, service: AnyService, call: Call) -> HttpResponse:
    settings = service.settings
    try:
        response = _preflight(request, settings) or _run(request, service, call)
        require_deliverable(request, response, settings.limits)
    except Exception as failure:
        response = error_response(as_api_error(failure, call), call.request_id)
    headers = {
        **COMMON_HEADERS,
        "x-request-id": call.request_id,
        **_cross_origin(request, settings),
        **response.headers,
    }
    return HttpResponse(response.status, response.body, response.content_type, headers)


def _run(request: HttpRequest, service: AnyService, call: Call) -> HttpResponse:
    route, endpoint = find_endpoint(request, service.settings)
    call.note(route=route, method=request.method)
    return endpoint(request, service, call)


def error_response(error: ApiError, request_id: str) -> HttpResponse:
    """The response that tells of `error`."""
    headers = {}
    if error.status == 405:
        headers["allow"] = ", ".join(error.details["allow"])
    if error.status == 503:
        headers["retry-after"] = "1" if error.retryable else "60"
    return HttpResponse(error.status, answers.encode(render(error, request_id)), headers=headers)


def _preflight(request: HttpRequest, settings: Settings) -> HttpResponse | None:
    """The answer to a browser's question whether it may ask; only where CORS is open."""
    if request.method != "OPTIONS" or not _cross_origin(request, settings):
        return None
    route = find_route(request, settings)
    headers = {
        "access-control-allow-methods": ", ".join(allowed_methods(route, settings)),
        "access-control-allow-headers": "authorization, content-type, x-amz-content-sha256, "
        "x-amz-date, x-amz-security-token",
        "access-control-max-age": "600",
    }
    return HttpResponse(204, headers=headers)


def _cross_origin(request: HttpRequest, settings: Settings) -> dict[str, str]:
    """CORS headers for an origin that FACENET_CORS_ORIGINS lists; none by default."""
    origin = request.headers.get("origin", "")
    if not origin or not ({origin, "*"} & settings.cors_origins):
        return {}
    return {"access-control-allow-origin": origin, "vary": "origin"}
