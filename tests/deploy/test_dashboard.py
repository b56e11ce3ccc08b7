"""The dashboard shows what there is: metrics of AWS, and lines that the function writes."""

import json
import re
from typing import Any

import pytest

from tests.deploy.report import REPORT
from tests.deploy.workload import Workload
from tests.process_logs import LOGS

Json = dict[str, Any]
# The metrics of each service by the dimension that they are asked for with.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
DOCUMENTED = {
    ("AWS/ApiGateway", "ApiId"): {
        "4xx", "5xx", "Count", "DataProcessed", "IntegrationLatency", "Latency",
    },
    ("AWS/Lambda", "FunctionName"): {
        "ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles",
        "Url4xxCount", "Url5xxCount", "UrlRequestCount", "UrlRequestLatency",
    },
    ("AWS/SQS", "QueueName"): {
        "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible", "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived", "NumberOfMessagesSent",
    },
}  # fmt: skip
SEARCH = re.compile(r"SEARCH\('\{\"([^\"]+)\",(\w+)\} MetricName=\"(\w+)\"', 'Sum', \d+\)")
QUERY = re.compile(r"SOURCE '([^']+)' \| filter message = '(\w+)' \| stats (.+) by bin\(\d+m\)")


@pytest.fixture(scope="module")
def widgets(batch: Workload) -> dict[str, Json]:
    """The deployed dashboard's widgets by their titles."""
    client, name = batch.stack.emulator.client("cloudwatch"), batch.stack.resources["Overview"]
    body = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])
    return {each["properties"]["title"]: each["properties"] for each in body["widgets"]}


@pytest.fixture(scope="module")
def lines(batch: Workload) -> list[Json]:
    """What the function has logged: its start, a result and a failure among it."""
    for name, picture in (("shown.jpg", "grace_hopper.jpg"), ("empty.jpg", "no_face.jpg")):
        batch.put(f"dashboard/{name}", picture)
        batch.result_of(f"dashboard/{name}")
    texts = [path.read_text() for path in LOGS.folder.glob("*-function")]
    return [json.loads(row) for text in texts for row in text.splitlines() if row[:1] == "{"]


def metrics(widget: Json) -> list[tuple[str, str, str, str]]:
    """(namespace, metric, dimension, value) of each row that names a metric."""
    rows = [[part for part in row if isinstance(part, str)] for row in widget.get("metrics", [])]
    return [(row[0], row[1], row[2], row[3]) for row in rows if row]


def test_every_metric_is_documented_and_of_this_stack(
    batch: Workload, widgets: dict[str, Json]
) -> None:
    made = batch.stack.resources
    queues = {made[name].rpartition("/")[2] for name in ("InputQueue", "DeadLetters")}
    ours = {"ApiId": {made["HttpApi"]}, "FunctionName": {made["FacenetFunction"]}}
    ours["QueueName"] = queues
    rows = [row for widget in widgets.values() for row in metrics(widget)]
    for namespace, metric, dimension, value in rows:
        assert metric in DOCUMENTED[namespace, dimension]
        assert value in ours[dimension]
    REPORT.calls.append(f"dashboard: {len(rows)} metrics of AWS, of this stack's resources")


SHOWN = {
    "Requests": {"Count", "Invocations", "UrlRequestCount"},
    "Errors by code": {"5xx", "Errors"},
    "Duration and timeout": {"Duration"},
    "Queue": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
}


def test_it_shows_requests_errors_duration_and_the_queues_age(widgets: dict[str, Json]) -> None:
    for title, names in SHOWN.items():
        assert {metric for _, metric, _, _ in metrics(widgets[title])} == names
    (timeout,) = widgets["Duration and timeout"]["annotations"]["horizontal"]
    assert timeout["value"] == 30_000


def test_errors_by_code_are_a_metric_that_the_function_writes(
    widgets: dict[str, Json], lines: list[Json]
) -> None:
    expression = widgets["Errors by code"]["metrics"][0][0]["expression"]
    found = SEARCH.fullmatch(expression)
    assert found
    namespace, dimension, metric = found.groups()
    written = [
        line
        for line in lines
        for each in line.get("_aws", {}).get("CloudWatchMetrics", [])
        if each["Namespace"] == namespace
        and each["Dimensions"] == [[dimension]]
        and {"Name": metric, "Unit": "Count"} in each["Metrics"]
    ]
    assert {line[dimension] for line in written} >= {"FaceNotFound"}
    assert all(line[metric] >= 1 for line in written)


@pytest.mark.parametrize("title", ["Cold starts", "Objects per minute"])
def test_starts_and_objects_are_counted_in_lines_that_the_function_writes(
    batch: Workload, widgets: dict[str, Json], lines: list[Json], title: str
) -> None:
    found = QUERY.fullmatch(widgets[title]["query"])
    assert found
    group, message, statistics = found.groups()
    assert group == batch.stack.resources["FunctionLogs"]
    fields = re.findall(r"\w+\((\w+)\)", statistics)
    assert fields
    written = [line for line in lines if line["message"] == message]
    assert written
    assert all(isinstance(line[name], int | float) for line in written for name in fields)
    REPORT.calls.append(f"dashboard: {message} lines with {' and '.join(fields)}: {len(written)}")
