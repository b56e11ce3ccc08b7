"""A log line is made of known fields; nothing else has a way in."""

import json
import re
from typing import Any

import pytest

from handler.observability import FIELDS, log, log_errors, log_invocation


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_call_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    log_invocation({"request_id": "id", "images": 2, "timings_ms": {"total": 1.5}, "status": 200})
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "INFO",
        "message": "call",
        "request_id": "id",
        "images": 2,
        "timings_ms": {"total": 1.5},
        "status": 200,
    }


def test_a_failure_of_ours_is_an_error_and_a_refusal_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_invocation({"status": 503})
    log_invocation({"status": 422})
    assert [line["level"] for line in lines(capsys)] == ["ERROR", "INFO"]


def test_unknown_fields_are_counted_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    log("call", key="holiday/IMG_1.jpg", embedding=[0.1], picture=b"\xff\xd8", images=1)
    (line,) = lines(capsys)
    assert line["dropped"] == 3
    assert not {"key", "embedding", "picture"} & set(line)
    assert "IMG_1" not in json.dumps(line)


def test_values_are_short_and_printable(capsys: pytest.CaptureFixture[str]) -> None:
    log("call", operation="long " * 10_000, route="a\nb\ud800", images=list(range(1000)))
    (line,) = lines(capsys)
    assert len(line["operation"]) == 128
    assert line["route"] == "a b?"
    assert len(line["images"]) == 32


def test_no_field_invites_what_must_not_be_logged() -> None:
    forbidden = {"key", "bucket", "embedding", "body", "event", "exception", "landmarks", "box"}
    assert not forbidden & FIELDS


def test_metrics_ride_on_the_line_only_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"operation": "compare", "duration_ms": 12.5, "faces": 2}
    log_invocation(facts, "facenet")
    log_invocation(facts)
    log_invocation({"duration_ms": 1.0}, "facenet")
    with_metrics, without, without_operation = lines(capsys)
    (directive,) = with_metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "facenet"
    assert {metric["Name"] for metric in directive["Metrics"]} == {"duration_ms", "faces"}
    assert all(name in with_metrics for name in directive["Dimensions"][0])
    assert "_aws" not in without
    assert without_operation["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_errors_are_a_metric_by_code(capsys: pytest.CaptureFixture[str]) -> None:
    log_invocation({"operation": "embed", "code": "FaceNotFound", "status": 422}, "faces")
    log_errors({"AccessDenied": 3}, "faces", source="batch", request_id="id")
    log_errors({"InternalError": 1}, None)
    call, batch, silent = lines(capsys)
    directive = {
        "Namespace": "faces",
        "Dimensions": [["code"]],
        "Metrics": [{"Name": "errors", "Unit": "Count"}],
    }
    assert directive in call["_aws"]["CloudWatchMetrics"]
    assert (call["code"], call["errors"]) == ("FaceNotFound", 1)
    assert batch["_aws"]["CloudWatchMetrics"] == [directive]
    assert (batch["code"], batch["errors"], batch["source"]) == ("AccessDenied", 3, "batch")
    assert "_aws" not in silent


def test_what_succeeds_counts_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    log_invocation({"operation": "embed", "status": 200, "duration_ms": 1.0}, "faces")
    (line,) = lines(capsys)
    assert "errors" not in line
    assert len(line["_aws"]["CloudWatchMetrics"]) == 1
