"""What fails at start is remembered and told, once per call; it never becomes a loop."""

import json

import pytest

from fixtures.http_events import http_v2
from handler import app, cold_start
from handler.cold_start import start
from handler.errors import ApiError
from handler.faces.service import BrokenService, ready
from handler.settings import Settings
from model_layer.errors import ModelUnavailable
from tests.unit.handler.service_fakes import FakeContext, FakeDetector, make_service


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> BrokenService:
    def fail(_settings: Settings) -> None:
        raise ModelUnavailable("model file int8.tflite has SHA-256 00, but the manifest says 11")

    monkeypatch.setenv("FACENET_MODEL", "some-model")
    monkeypatch.setattr(cold_start, "load", fail)
    service = start()
    assert isinstance(service, BrokenService)
    return service


def test_a_good_start_warms_the_detector_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = FakeDetector()
    service = make_service(detector)
    monkeypatch.setenv("FACENET_MODEL", "some-model")
    monkeypatch.setattr(cold_start, "load", lambda _settings: service)
    assert start() is service
    assert detector.warmed == 1
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["model"], line["level"]) == ("cold_start", "tiny", "INFO")


@pytest.mark.parametrize(
    ("setting", "reason"), [("1e-9", "lowest rate"), ("worst_group", "does not have")]
)
def test_a_rate_that_the_model_was_not_measured_at_is_found_at_the_start(
    setting: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    monkeypatch.setenv("FACENET_MODEL", "some-model")
    monkeypatch.setenv("FACENET_FAR", setting)
    monkeypatch.setattr(cold_start.align.Detector, "load", lambda *_, **__: service.detector)
    monkeypatch.setattr(cold_start.model_layer, "load", lambda *_, **__: service.model)
    failed = start()
    assert isinstance(failed, BrokenService)
    assert "FACENET_FAR" in failed.failure.message
    assert reason in failed.failure.message


def test_a_setting_that_cannot_be_read_is_said_behind_a_base_path_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACENET_BASE_PATH", "faces")
    monkeypatch.setenv("FACENET_CORS_ORIGINS", "https://photos.example")
    monkeypatch.setenv("FACENET_THREADS", "many")
    event = http_v2("/faces/v1/health", method="GET")
    event["headers"]["origin"] = "https://photos.example"
    answer = app.dispatch(event, FakeContext(), start())
    assert answer["statusCode"] == 503
    assert "FACENET_THREADS" in answer["body"]
    assert answer["headers"]["access-control-allow-origin"] == "https://photos.example"


def test_a_failed_start_is_said_to_http_callers(broken: BrokenService) -> None:
    for path, method in (("/v1/health", "GET"), ("/v1/compare", "POST"), ("/service", "POST")):
        response = app.dispatch(http_v2(path, "{}", method=method), FakeContext(), broken)
        assert response["statusCode"] == 503
        assert response["headers"]["retry-after"] == "60"
        error = json.loads(response["body"])["error"]
        assert (error["code"], error["retryable"]) == ("ModelUnavailable", False)
        assert "int8.tflite" in error["message"]


def test_a_failed_start_fails_direct_invocations(broken: BrokenService) -> None:
    for event in ({"operation": "embed", "images": []}, {"nonsense": 1}):
        with pytest.raises(ApiError, match="ModelUnavailable"):
            app.dispatch(event, FakeContext(), broken)


def test_the_description_of_the_api_needs_no_model(broken: BrokenService) -> None:
    response = app.dispatch(http_v2("/openapi.json", None, method="GET"), FakeContext(), broken)
    assert response["statusCode"] == 200


def test_a_wrong_setting_is_named_and_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACENET_MODEL", "some-model")
    monkeypatch.setenv("FACENET_PRECISION", "int4")
    monkeypatch.setattr(cold_start, "load", lambda _settings: pytest.fail("loaded"))
    with pytest.raises(ApiError, match="FACENET_PRECISION must be one of int8") as caught:
        ready(start())
    assert caught.value.code == "ModelUnavailable"


def test_a_foreign_failure_says_nothing_but_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_settings: Settings) -> None:
        raise OSError("cannot read secret/path")

    monkeypatch.setenv("FACENET_MODEL", "some-model")
    monkeypatch.setattr(cold_start, "load", fail)
    with pytest.raises(ApiError) as caught:
        ready(start())
    out = capsys.readouterr().out
    assert "secret" not in out + str(caught.value)
    line = json.loads(out)
    assert (line["error_type"], line["level"]) == ("OSError", "ERROR")
    assert line["where"][-1].startswith("test_cold_start.py:")


def test_a_missing_model_folder_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACENET_MODEL", "/no/such/folder")
    with pytest.raises(ApiError) as caught:
        ready(start())
    assert caught.value.code == "ModelUnavailable"


def test_calls_that_are_refused_leave_nothing_behind(broken: BrokenService) -> None:
    def frames() -> int:
        with pytest.raises(ApiError) as caught:
            app.dispatch({"operation": "embed", "images": []}, FakeContext(), broken)
        return len(caught.traceback)

    assert [frames() for _ in range(3)] == [frames()] * 3
    assert broken.failure.__traceback__ is None
