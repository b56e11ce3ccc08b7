"""The only module that logs: one JSON line per invocation, made of listed fields only.

Faces are biometric data, so a line is built from a list of allowed fields whose values are
numbers, booleans and short identifiers. A picture, an embedding, an object key or the text of an
exception has no field. Metrics ride on the same line in CloudWatch's embedded format
when FACENET_METRICS_NAMESPACE is set. Why not powertools: docs/decisions/lean-handler.md.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from handler.errors import printable

FIELDS = frozenset(
    {
        "code",
        "deleted",
        "detector",
        "duration_ms",
        "engine",
        "error_type",
        "faces",
        "failures",
        "images",
        "method",
        "model",
        "model_sha256",
        "objects",
        "operation",
        "request_id",
        "results",
        "route",
        "skipped",
        "source",
        "status",
        "threads",
        "timings_ms",
        "version",
        "where",
    }
)
LONGEST_VALUE = 128
ERRORS = "errors"
METRICS = {"duration_ms": "Milliseconds", "images": "Count", "faces": "Count"}


def log(message: str, *, level: str = "INFO", stream: TextIO | None = None, **fields: Any) -> None:
    """Prints one line. A field that is not in FIELDS is counted under `dropped`, not printed."""
    line = {"level": level, "message": message, "timestamp": _now(), **_allowed(fields)}
    _print(line, stream)


def log_invocation(facts: Mapping[str, Any], namespace: str | None = None) -> None:
    """The log line of one invocation; with `namespace`, also its metrics."""
    line = {"level": _level(facts), "message": "call", "timestamp": _now(), **_allowed(facts)}
    if namespace:
        directives = [_directive(namespace, "operation", line, METRICS)]
        if line.get("code"):
            line[ERRORS] = 1
            directives.append(_directive(namespace, "code", line, {ERRORS: "Count"}))
        line["_aws"] = _metrics(directives)
    _print(line, None)


def log_errors(
    codes: Mapping[str, int], namespace: str | None, *, level: str = "WARNING", **fields: Any
) -> None:
    """A line, and the metric `errors`, for each code of what failed outside a request."""
    for code, count in codes.items():
        line = {"level": level, "message": "errors", "timestamp": _now(), **_allowed(fields)}
        line |= {"code": _plain(code), ERRORS: count}
        if namespace:
            line["_aws"] = _metrics([_directive(namespace, "code", line, {ERRORS: "Count"})])
        _print(line, None)


def _allowed(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: _plain(value) for name, value in fields.items() if name in FIELDS}
    dropped = len(fields) - len(kept)
    return {**kept, "dropped": dropped} if dropped else kept


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name)[:32]: _plain(item) for name, item in list(value.items())[:32]}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:32]]
    return printable(str(value), LONGEST_VALUE)


def _level(facts: Mapping[str, Any]) -> str:
    return "ERROR" if int(facts.get("status", 200)) >= 500 else "INFO"


def _directive(
    namespace: str, dimension: str, line: Mapping[str, Any], metrics: Mapping[str, str]
) -> dict[str, Any]:
    """Which fields of `line` are metrics, by which of its fields."""
    named = [{"Name": name, "Unit": unit} for name, unit in metrics.items() if name in line]
    by = [dimension] if dimension in line else []
    return {"Namespace": namespace, "Dimensions": [by], "Metrics": named}


def _metrics(directives: list[dict[str, Any]]) -> dict[str, Any]:
    """CloudWatch's embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    return {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": directives}


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"


def _print(line: Mapping[str, Any], stream: TextIO | None) -> None:
    target = stream or sys.stdout
    target.write(json.dumps(line, separators=(",", ":"), allow_nan=False, default=str) + "\n")
    target.flush()
