"""Events find their way in, and the answers their way out in the right shape."""

import base64
import json
from typing import Any

import pytest

from fixtures import http_events
from fixtures.http_events import http_v2
from handler import app
from handler.errors import ApiError
from handler.faces import response_size
from handler.faces.service import Service
from tests.unit.handler.service_fakes import (
    CONTRACT,
    RED,
    FakeContext,
    FakeDetector,
    make_service,
    one_face,
    picture,
)

IMAGE = base64.b64encode(picture(RED)).decode()
BODY = json.dumps({"images": [IMAGE, IMAGE]})
CLOSED = make_service()


def invocation(event: Any, service: Service = CLOSED) -> Any:
    return app.dispatch(event, FakeContext(), service)


def get(path: str, method: str = "GET", service: Service = CLOSED, **changes: Any) -> Any:
    return invocation({**http_v2(path, None, method=method), **changes}, service)


def error_of(response: dict[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(response["body"])["error"]
    return error


class TestDirect:
    def test_the_answer_is_the_object_itself(self) -> None:
        answer = invocation({"images": [IMAGE, IMAGE]})
        assert answer["operation"] == "compare"
        assert answer["same"] is True
        json.dumps(answer, allow_nan=False)

    def test_a_refusal_is_an_object_too(self) -> None:
        answer = invocation({"operation": "compare", "images": ["?", IMAGE]})
        assert answer["error"]["code"] == "InvalidBase64"
        assert answer["error"]["details"] == {"image": 0}
        assert answer["request_id"] == FakeContext().aws_request_id

    def test_an_answer_that_lambda_would_refuse_is_refused_first(self) -> None:
        crowd = FakeDetector(lambda seen: one_face(seen) * 60)
        service = make_service(crowd, limits={"response_bytes": 5000})
        answer = invocation({"operation": "detect", "images": [IMAGE]}, service)
        assert answer["error"]["code"] == "ResponseTooLarge"

    def test_it_needs_no_context(self) -> None:
        assert app.dispatch({"images": [IMAGE]}, None, CLOSED)["operation"] == "embed"


@pytest.mark.parametrize("event", [{}, {"hello": "world"}, "text", 7, None, {"detail": {}}])
def test_an_event_of_no_known_kind_is_answered_with_the_kinds(event: Any) -> None:
    answer = invocation(event)
    assert answer["error"]["code"] == "InvalidRequest"
    assert "HTTP API v2" in answer["error"]["message"]
    assert any("direct" in kind for kind in answer["error"]["details"]["kinds"])


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]},
        {"source": "example.shop", "detail-type": "Order Placed", "detail": {}},
        [{"eventSource": "aws:kinesis"}],
        [],
        ["images"],
    ],
)
def test_unknown_events_of_a_service_are_not_swallowed(event: Any) -> None:
    with pytest.raises(ApiError, match="Unknown kind of event"):
        invocation(event)


class TestRoutes:
    @pytest.mark.parametrize(
        "event",
        [
            http_v2("/v1/compare", BODY),
            http_events.function_url("/v1/compare", BODY),
            http_events.rest_v1("/v1/compare", BODY),
            http_events.alb("/v1/compare", BODY),
            http_events.alb("/v1/compare", BODY, multi_value=True),
        ],
    )
    def test_every_shape_compares(self, event: dict[str, Any]) -> None:
        response = invocation(event)
        assert response["statusCode"] == 200
        assert json.loads(response["body"])["same"] is True

    def test_every_response_forbids_keeping_it(self) -> None:
        headers = get("/v1/health")["headers"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"] == FakeContext().aws_request_id

    def test_health_names_the_model(self) -> None:
        body = json.loads(get("/v1/health")["body"])
        assert (body["status"], body["model"]["id"]) == ("ok", "tiny")

    def test_model_shows_thresholds_and_licence(self) -> None:
        body = json.loads(get("/v1/model")["body"])
        thresholds = body["thresholds"]
        assert (thresholds["default"], thresholds["default_far"]) == (0.5, 0.01)
        assert thresholds["table"][1] == {"far": 0.01, "threshold": 0.5, "pairs": 100}
        assert (thresholds["strangers"], thresholds["worst_group"]) == (10_000, None)
        assert body["contract"] == CONTRACT
        assert body["alignment"] == {"kind": "box", "size": 16, "margin": 4}
        assert body["licence"] == "Apache-2.0"

    def test_service_answers_text(self) -> None:
        response = invocation(http_v2("/service", BODY))
        assert response["body"] == "0.0"
        assert response["headers"]["content-type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize("path", ["/v2/compare", "/v1/compare/x", "/v1", "/", "/docs", "//"])
    def test_an_unknown_path_is_not_found(self, path: str) -> None:
        response = get(path)
        assert response["statusCode"] == 404
        assert error_of(response)["code"] == "RouteNotFound"
        assert "/v1/compare" in error_of(response)["details"]["paths"]

    @pytest.mark.parametrize(
        ("path", "method", "allow"),
        [
            ("/v1/compare", "GET", "POST"),
            ("/v1/health", "POST", "GET, HEAD"),
            ("/service", "DELETE", "POST"),
            ("/v1/embed", "OPTIONS", "POST"),
            ("/v1/embed", "", "POST"),
        ],
    )
    def test_a_wrong_method_is_405_and_says_what_is_allowed(
        self, path: str, method: str, allow: str
    ) -> None:
        response = get(path, method)
        assert response["statusCode"] == 405
        assert response["headers"]["allow"] == allow
        assert error_of(response)["code"] == "RouteNotFound"

    def test_head_is_get_without_a_body(self) -> None:
        response = get("/v1/health", "HEAD")
        assert (response["statusCode"], response["body"]) == (200, "")

    @pytest.mark.parametrize("path", ["/v1/health/", "/prod/v1/health", "/faces/v1/health"])
    def test_stage_base_path_and_slash_do_not_matter(self, path: str) -> None:
        event = http_v2(path, None, method="GET")
        event["requestContext"]["stage"] = "prod"
        assert invocation(event, make_service(base_path="faces"))["statusCode"] == 200

    def test_a_stage_named_like_a_route_is_no_trap(self) -> None:
        event = http_v2("/v1/v1/health", None, method="GET")
        event["requestContext"]["stage"] = "v1"
        assert invocation(event)["statusCode"] == 200
        assert invocation({**event, "rawPath": "/v1/health"})["statusCode"] == 200

    def test_pages_appear_where_they_are_turned_on(self) -> None:
        assert get("/", service=make_service(page=True))["statusCode"] == 200


class TestCors:
    def preflight(self, service: Service, origin: str = "https://example.org") -> Any:
        return get("/v1/compare", "OPTIONS", service, headers={"origin": origin})

    def test_it_is_closed_by_default(self) -> None:
        response = self.preflight(CLOSED)
        assert response["statusCode"] == 405
        assert not any(name.startswith("access-control") for name in response["headers"])

    def test_a_listed_origin_is_let_in_on_errors_too(self) -> None:
        service = make_service(cors_origins=frozenset({"https://example.org"}))
        response = self.preflight(service)
        assert response["statusCode"] == 204
        assert response["headers"]["access-control-allow-methods"] == "POST"
        assert response["headers"]["access-control-allow-origin"] == "https://example.org"
        exposed = response["headers"]["access-control-expose-headers"]
        assert exposed == "x-request-id, retry-after"
        refused = get("/nowhere", "GET", service, headers={"origin": "https://example.org"})
        assert refused["headers"]["access-control-allow-origin"] == "https://example.org"
        assert refused["headers"]["vary"] == "origin"

    def test_another_origin_is_not(self) -> None:
        service = make_service(cors_origins=frozenset({"https://example.org"}))
        response = self.preflight(service, "https://example.com")
        assert response["statusCode"] == 405
        assert "access-control-allow-origin" not in response["headers"]


def test_an_answer_too_large_for_an_alb_says_so_to_an_alb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_size, "ALB_PAYLOAD", 5000)
    service = make_service(FakeDetector(lambda seen: one_face(seen) * 20))
    body = json.dumps({"images": [IMAGE], "face": "all"})
    assert invocation(http_events.rest_v1("/v1/detect", body), service)["statusCode"] == 200
    response = invocation(http_events.alb("/v1/detect", body), service)
    assert response["statusCode"] == 413
    assert error_of(response)["details"] == {"limit_bytes": 5000}


def test_a_bug_is_a_500_that_leaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def explode(_seen: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    response = invocation(http_v2("/v1/compare", BODY), make_service(FakeDetector(explode)))
    assert response["statusCode"] == 500
    assert error_of(response)["code"] == "InternalError"
    out = capsys.readouterr().out
    assert "secret" not in out + response["body"]
    assert json.loads(out)["error_type"] == "ZeroDivisionError"
    assert IMAGE[:40] not in out


def test_two_calls_after_a_crash_are_answered_as_ever() -> None:
    def explode(_seen: Any) -> Any:
        raise ZeroDivisionError

    detector = FakeDetector(explode)
    service = make_service(detector)
    assert invocation({"images": [IMAGE]}, service)["error"]["code"] == "InternalError"
    detector.faces = FakeDetector().faces
    first, second = (invocation({"images": [IMAGE]}, service) for _ in range(2))
    assert first["images"] == second["images"]
