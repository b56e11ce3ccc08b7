"""An HTTP request, in whichever of the four shapes."""

from collections.abc import Mapping
from typing import Any

from handler.errors import ApiError, render
from handler.faces import answers
from handler.faces.service import AnyService
from handler.http.message import (
    HttpRequest,
    HttpResponse,
    is_http,
    read_request,
    require_deliverable,
    write_response,
)
from handler.http.routes import allowed_methods, find_endpoint, find_route
from handler.invocation import Invocation, as_api_error
from handler.observability import log_invocation
from handler.settings import Settings

# Answers hold biometric data: no cache may store them.
COMMON_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

EXPOSED_HEADERS = "x-request-id, retry-after"
# After so many seconds an API answers 503 or 504 whatever the function does, so the function stops
# a second earlier. A function URL and an ALB wait for the function.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
PATIENCE_SECONDS = {"http-api": 29, "rest-api": 28}

matches = is_http


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Handles the request; returns the response, or error response, in the request's form."""
    request = read_request(event)
    invocation.note(source=request.gateway, request_id=invocation.request_id)
    if request.gateway in PATIENCE_SECONDS:
        invocation.end_within(PATIENCE_SECONDS[request.gateway])
    response = _respond(request, service, invocation)
    invocation.note(status=response.status)
    log_invocation(invocation.final_facts(), service.settings.metrics_namespace)
    return write_response(request, response)


def _respond(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
    settings = service.settings
    try:
        response = _preflight(request, settings) or _run(request, service, invocation)
        require_deliverable(request, response, settings.limits)
        invocation.run_deferred()
    except Exception as failure:
        response = error_response(as_api_error(failure, invocation), invocation.request_id)
    headers = {
        **COMMON_HEADERS,
        "x-request-id": invocation.request_id,
        **_cross_origin(request, settings),
        **response.headers,
    }
    return HttpResponse(response.status, response.body, response.content_type, headers)


def _run(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
    route, endpoint = find_endpoint(request, service.settings)
    invocation.note(route=route, method=request.method)
    return endpoint(request, service, invocation)


def error_response(error: ApiError, request_id: str) -> HttpResponse:
    """The response for `error`."""
    headers = {}
    if error.status == 405:
        headers["allow"] = ", ".join(error.details["allow"])
    if error.status == 503:
        headers["retry-after"] = "1" if error.retryable else "60"
    return HttpResponse(error.status, answers.encode(render(error, request_id)), headers=headers)


def _preflight(request: HttpRequest, settings: Settings) -> HttpResponse | None:
    """The response to a CORS preflight request, where FACENET_CORS_ORIGINS allows the origin."""
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
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": EXPOSED_HEADERS,
        "vary": "origin",
    }
