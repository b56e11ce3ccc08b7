"""/openapi.json is what was agreed, hangs together, and describes every route."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handler.errors import STATUSES
from handler.http.openapi import document
from handler.http.routes import ROUTES

SNAPSHOT = Path(__file__).parent / "openapi.json"
# `python -m tests.contract.test_api_openapi` writes the snapshot again; read the diff.


def render() -> str:
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from walk(inner)


def test_it_is_what_was_agreed() -> None:
    assert render() == SNAPSHOT.read_text()


def test_every_reference_leads_somewhere() -> None:
    described = document()
    for node in walk(described):
        if "$ref" in node:
            target: Any = described
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            assert target


def test_it_describes_exactly_the_routes() -> None:
    described = {
        (path, method.upper()) for path, item in document()["paths"].items() for method in item
    }
    served = {(path, method) for path, methods in ROUTES.items() for method in methods}
    assert described == served


def test_every_code_and_its_status_are_described() -> None:
    described = document()
    codes = described["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]
    assert set(codes) == set(STATUSES)
    responses = described["paths"]["/v1/compare"]["post"]["responses"]
    for code, status in STATUSES.items():
        assert code in responses[str(status)]["description"]


def test_it_is_plain_json_without_surprises() -> None:
    json.dumps(document(), allow_nan=False)
    ids = [item[method]["operationId"] for item in document()["paths"].values() for method in item]
    assert len(ids) == len(set(ids))


if __name__ == "__main__":
    SNAPSHOT.write_text(render())
