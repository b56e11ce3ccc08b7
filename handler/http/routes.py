"""The routes: path -> method -> endpoint."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from handler import __version__
from handler.errors import ApiError
from handler.faces import answers
from handler.faces.answers import HealthAnswer, ModelCardAnswer, ThresholdAnswer
from handler.faces.service import AnyService, Service, ready
from handler.http import collection_routes
from handler.http.bodies import read_job
from handler.http.message import HttpRequest, HttpResponse, require_deliverable
from handler.invocation import Invocation
from handler.settings import Settings

Endpoint = Callable[[HttpRequest, AnyService, Invocation], HttpResponse]


def find_endpoint(request: HttpRequest, settings: Settings) -> tuple[str, Endpoint]:
    """The route's path and its endpoint.

    An API's stage and the base path of a custom domain may stand before the path. Raises
    RouteNotFound, with status 405 and `details.allow` where only the method is wrong.
    """
    route = find_route(request, settings)
    method = "GET" if request.method == "HEAD" else request.method
    endpoint = table(settings.page, settings.rekognition)[route].get(method)
    if endpoint is None:
        allowed = allowed_methods(route, settings)
        raise ApiError(
            "RouteNotFound",
            f"Method not allowed; use {', '.join(allowed)}.",
            details={"allow": allowed},
            status=405,
        )
    return route, endpoint


def find_route(request: HttpRequest, settings: Settings) -> str:
    """The path in the table that `request` means. Raises RouteNotFound, which lists them."""
    known = table(settings.page, settings.rekognition)
    plain = request.path.rstrip("/") or "/"
    candidates = [plain]
    for prefix in filter(None, (request.stage, settings.base_path)):
        if plain == f"/{prefix}" or plain.startswith(f"/{prefix}/"):
            candidates.append(plain[len(prefix) + 1 :] or "/")
    for candidate in candidates:
        if candidate in known:
            return candidate
        with_parameters = collection_routes.find(candidate)
        if with_parameters is not None:
            return with_parameters
    raise ApiError(
        "RouteNotFound",
        "No such route; `details.paths` lists the routes.",
        details={"paths": sorted(ROUTES)},
    )


def allowed_methods(route: str, settings: Settings) -> list[str]:
    """The methods of a route, as its Allow header lists them."""
    methods = list(table(settings.page, settings.rekognition)[route])
    return [*methods, "HEAD"] if "GET" in methods else methods


@cache
def table(page: bool, rekognition: bool) -> Mapping[str, Mapping[str, Endpoint]]:
    """All routes; with `page` also the web pages, whose files are read only then.

    With `rekognition`, `POST /` answers the clients of Amazon Rekognition.
    """
    routes = dict(ROUTES)
    if page:
        from handler.http import pages

        routes |= pages.routes()
    if rekognition:
        routes["/"] = {**routes.get("/", {}), "POST": _rekognition}
    return MappingProxyType(routes)


def _rekognition(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
    from handler.rekognition import protocol

    limits = service.settings.limits

    def require_room(body: bytes) -> None:
        require_deliverable(request, HttpResponse(200, body, protocol.CONTENT_TYPE), limits)

    reply = protocol.answer(
        request.headers.get("x-amz-target", ""),
        lambda: request.body(limits),
        require_room,
        service,
        invocation,
    )
    return HttpResponse(reply.status, reply.body, protocol.CONTENT_TYPE, reply.headers)


def _operation(name: str) -> Endpoint:
    def run(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
        working = ready(service)
        job = read_job(request, name, working.settings.limits)
        return HttpResponse(200, answers.encode(working.run(job, invocation)))

    return run


def _uploads(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
    from handler.faces import uploads

    settings = ready(service).settings
    answer = uploads.answer_json(request.body(settings.limits), settings, invocation)
    return HttpResponse(200, answers.encode(answer))


def _health(_request: HttpRequest, service: AnyService, _invocation: Invocation) -> HttpResponse:
    working = ready(service)
    answer = HealthAnswer(
        status="ok",
        model=working.describe(),
        engine=working.settings.engine,
        detector=working.settings.detector,
        version=__version__,
    )
    return HttpResponse(200, answers.encode(answer))


def _model(_request: HttpRequest, service: AnyService, _invocation: Invocation) -> HttpResponse:
    working = ready(service)
    manifest = working.model.manifest
    answer = ModelCardAnswer(
        id=manifest.id,
        contract=working.model.contract(),
        sha256=working.model.sha256,
        dimension=working.model.dimension,
        input_size=manifest.input.size,
        alignment=answers.to_builtins(manifest.alignment),
        standardization=manifest.input.standardization,
        thresholds=_thresholds(working),
        calibration=answers.to_builtins(manifest.calibration),
        licence=manifest.licence,
        provenance=manifest.provenance,
        accuracy=manifest.accuracy,
    )
    return HttpResponse(200, answers.encode(answer))


def _thresholds(service: Service) -> ThresholdAnswer:
    """The default is that of FACENET_FAR, where it is set."""
    measured, default = service.model.manifest.thresholds, service.default_decision
    return ThresholdAnswer(
        default=default.threshold,
        default_far=default.far,
        table=answers.to_builtins(measured.table),
        strangers=measured.strangers,
        worst_group=answers.to_builtins(measured.worst_group),
        protocol=measured.protocol,
    )


def _openapi(_request: HttpRequest, _service: AnyService, _invocation: Invocation) -> HttpResponse:
    from handler.http.openapi import document

    return HttpResponse(200, answers.encode(document()))


def _uai(request: HttpRequest, service: AnyService, invocation: Invocation) -> HttpResponse:
    from handler.uai import service as uai

    working = ready(service)
    text = uai.answer(working, request.body(working.settings.limits), invocation)
    return HttpResponse(200, text.encode(), "text/plain; charset=utf-8")


ROUTES: Mapping[str, Mapping[str, Endpoint]] = MappingProxyType(
    {
        "/v1/compare": {"POST": _operation("compare")},
        "/v1/embed": {"POST": _operation("embed")},
        "/v1/detect": {"POST": _operation("detect")},
        "/v1/uploads": {"POST": _uploads},
        "/v1/health": {"GET": _health},
        "/v1/model": {"GET": _model},
        "/openapi.json": {"GET": _openapi},
        "/service": {"POST": _uai},
        **collection_routes.routes(),
    }
)
