"""The wing behind a real HTTP server, called by boto3, which checks every request; here every
answer is checked too, against the service's own model."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.validate import ParamValidator

from handler.cold_start import load
from handler.faces.service import AnyService, Service
from handler.http import source
from handler.invocation import Invocation
from handler.settings import Settings
from tools import client as tools_client
from tools.serve import Server

Rekognition = Any


@dataclass
class Seen:
    """What went over the wire."""

    events: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[str, int, Any]] = field(default_factory=list)


@pytest.fixture(scope="session")
def real_service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Bundled model and detector, collections in a folder."""
    collections = tmp_path_factory.mktemp("collections")
    return load(
        Settings.from_environment(
            {
                "FACENET_REKOGNITION": "on",
                "FACENET_COLLECTIONS": str(collections),
                "FACENET_INPUT_BUCKETS": "photos",
            }
        )
    )


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., str]]:
    """`serve(service, seen, before)` starts a server; gives its address."""
    servers: list[Server] = []

    def start(
        service: AnyService,
        seen: Seen | None = None,
        before: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None,
    ) -> str:
        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            if seen is not None:
                seen.events.append(event)
            return before(event) or source.handle(event, Invocation(context), service)

        server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def address(serve: Callable[..., str], real_service: Service) -> str:
    return serve(real_service)


@pytest.fixture
def rekognition(address: str) -> Rekognition:
    return checked(tools_client.rekognition(address))


@pytest.fixture(scope="session")
def pictures(root: Path) -> Callable[[str], bytes]:
    return lambda name: (root / "events" / "pictures" / f"{name}.jpg").read_bytes()


def make_client(url: str, **config: Any) -> Rekognition:
    """A plain boto3 client, as any program makes one."""
    return checked(
        boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(**config),
        )
    )


def checked(client: Rekognition) -> Rekognition:
    """The client, with every answer checked against the shape that its operation promises."""

    def check(operation_model: Any, response_dict: Any, **_: Any) -> None:
        if response_dict["status_code"] < 300:
            check_answer(operation_model, json.loads(response_dict["body"]))

    client.meta.events.register("before-parse.rekognition", check)
    return client


def check_answer(operation: Any, answer: Any) -> None:
    """Raises AssertionError where the answer is not of the operation's output shape."""
    shape = operation.output_shape
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), f"{operation.name}: {report.generate_report()}"
    problems = list(_problems(answer, shape, operation.name))
    assert not problems, problems


def _problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What botocore's own validator does not look at: enumerations, patterns, upper limits."""
    limits = shape.metadata
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from _problems(item, shape.members[name], f"{place}.{name}")
        return
    if shape.type_name == "list":
        for item in value:
            yield from _problems(item, shape.member, f"{place}[]")
    if "enum" in limits and value not in limits["enum"]:
        yield f"{place}: {value} is none of {limits['enum']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield f"{place}: {value} does not match {limits['pattern']}"
    if "max" in limits:
        size = value if isinstance(value, int | float) else len(value)
        if size > limits["max"]:
            yield f"{place}: {size} is above {limits['max']}"
