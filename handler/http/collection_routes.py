"""The routes of collections. What answers them is imported by the first request for one."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from handler.errors import ApiError
from handler.faces import answers
from handler.faces.service import AnyService, ready
from handler.http.bodies import read_content
from handler.http.message import HttpRequest, HttpResponse
from handler.invocation import Invocation
from handler.settings import Limits

if TYPE_CHECKING:
    from handler.search.requests import SearchJob

Endpoint = Callable[[HttpRequest, AnyService, Invocation], HttpResponse]
# A person's name may hold slashes, which some gateways decode on the way.
PARAMETERS = MappingProxyType({"collection": "[^/]+", "face": "[^/]+", "person": ".+"})
OPERATIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "/v1/collections": {"GET": "list_collections"},
        "/v1/collections/{collection}": {
            "GET": "describe_collection",
            "PUT": "create_collection",
            "DELETE": "delete_collection",
        },
        "/v1/collections/{collection}/faces": {"POST": "enrol"},
        "/v1/collections/{collection}/faces/{face}": {"DELETE": "delete_face"},
        "/v1/collections/{collection}/persons": {"GET": "list_persons"},
        "/v1/collections/{collection}/persons/{person}": {
            "GET": "describe_person",
            "DELETE": "delete_person",
        },
        "/v1/collections/{collection}/search": {"POST": "search"},
    }
)


def routes() -> dict[str, dict[str, Endpoint]]:
    """The routes to add to the table: every path with its methods."""
    return {
        path: {method: _endpoint(path, name) for method, name in methods.items()}
        for path, methods in OPERATIONS.items()
    }


def find(path: str) -> str | None:
    """The route with parameters that `path` is of; None for any other path."""
    return next((route for route in OPERATIONS if _pattern(route).fullmatch(path)), None)


def _endpoint(route: str, operation: str) -> Endpoint:
    def run(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
        from handler.search.service import run as run_job

        working = ready(service)
        job = _read_job(request, route, operation, working.settings.limits)
        return HttpResponse(200, answers.encode(run_job(job, working, invocation)))

    return run


def _read_job(request: HttpRequest, route: str, operation: str, limits: Limits) -> "SearchJob":
    from handler.search.requests import OPTIONS, PICTURES, from_fields, from_json

    place = _place(route, request.path)
    if operation in PICTURES:
        content = read_content(request, limits, OPTIONS[operation].__struct_fields__)
        if isinstance(content, bytes):
            return from_json(content, operation, place, limits)
        return from_fields(content.pictures, content.fields, operation, place, limits)
    body = request.body(limits)
    if body.strip():
        return from_json(body, operation, place, limits)
    return from_fields((), request.query, operation, place, limits)


def _place(route: str, path: str) -> Mapping[str, str]:
    """The parameters of the path, decoded; a stage or base path may stand before it."""
    found = re.search(_pattern(route).pattern + "/?$", path)
    if found is None:
        raise ApiError("RouteNotFound", "No such route.")
    return {name: unquote(value) for name, value in found.groupdict().items()}


@cache
def _pattern(route: str) -> re.Pattern[str]:
    """`{name}` as a group of that name."""
    parts = re.split(r"\{(\w+)\}", route)
    names = [f"(?P<{part}>{PARAMETERS[part]})" for part in parts[1::2]]
    plain = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(sum(zip(plain, [*names, ""], strict=True), ())), re.DOTALL)
