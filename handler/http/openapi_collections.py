"""The part of OpenAPI that is about collections."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from handler.http.bodies import PICTURE_TYPES
from handler.http.collection_routes import OPERATIONS
from handler.search.answers import MODELS as ANSWERS
from handler.search.requests import (
    PICTURES,
    CreateCollection,
    EnrolOptions,
    ListPersons,
    SearchOptions,
)

Schema = dict[str, Any]
MODELS: tuple[Any, ...] = (*ANSWERS, *PICTURES.values(), EnrolOptions, SearchOptions)
REFUSALS = (400, 403, 404, 409, 413, 415, 422, 500, 503)
PLAIN_REFUSALS = (400, 404, 413, 500, 503)
# Operation -> what it does, and the schema of its answer.
SUMMARIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "create_collection": (
            "Create a collection; an existing one is returned unchanged.",
            "CollectionAnswer",
        ),
        "list_collections": ("Names of collections.", "CollectionsAnswer"),
        "describe_collection": ("A collection's contract, engine and size.", "CollectionAnswer"),
        "delete_collection": ("Delete a collection with all its faces.", "RemovedAnswer"),
        "enrol": ("Enrol pictures of a person; idempotent.", "EnrolAnswer"),
        "list_persons": ("List the persons of a collection.", "PersonsAnswer"),
        "describe_person": ("A person's faces.", "PersonAnswer"),
        "delete_person": ("Delete a person with all their faces.", "RemovedAnswer"),
        "delete_face": ("Delete a face.", "RemovedAnswer"),
        "search": ("Who is this?", "SearchAnswer"),
    }
)


def paths(build: Any) -> Schema:
    """The routes, in terms of `build`: the module that describes all others."""
    return {
        path: {method.lower(): _operation(build, path, name) for method, name in methods.items()}
        for path, methods in OPERATIONS.items()
    }


def _operation(build: Any, path: str, name: str) -> Schema:
    summary, answer = SUMMARIES[name]
    described: Schema = {
        "operationId": name,
        "summary": summary,
        "parameters": [_path_parameter(part) for part in re.findall(r"\{(\w+)\}", path)],
    }
    if name in PICTURES:
        described["parameters"] += _search_parameters(build) if name == "search" else []
        described["requestBody"] = _body(build, name)
    else:
        described["parameters"] += _plain_parameters(build, name)
    statuses = REFUSALS if name in PICTURES else PLAIN_REFUSALS
    described["responses"] = {
        "200": build.json_response("The answer.", answer),
        **build.refusals(statuses),
    }
    return described


def _path_parameter(name: str) -> Schema:
    schema: Schema = {"type": "string", "minLength": 1}
    if name == "collection":
        schema |= {"maxLength": 255, "pattern": "^[A-Za-z0-9._:-]+$"}
    if name == "face":
        schema |= {"pattern": "^[0-9a-f]{40}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _search_parameters(build: Any) -> list[Schema]:
    options = build.properties_of(SearchOptions)
    simple = {name: schema for name, schema in options.items() if name != "min_quality"}
    return [build.query_parameter(name, schema) for name, schema in simple.items()] + [
        build.query_parameter("min_quality", {"type": "number", "minimum": 0, "maximum": 1})
    ]


def _plain_parameters(build: Any, name: str) -> list[Schema]:
    """`after` and `limit` of lists, `flip` of a new collection."""
    if name == "create_collection":
        options = build.properties_of(CreateCollection)
        return [_query("flip", options["flip"])]
    if name.startswith("list_"):
        options = build.properties_of(ListPersons)
        return [_query(each, options[each]) for each in ("after", "limit")]
    return []


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _body(build: Any, name: str) -> Schema:
    """JSON or a form; a search, whose options may all be left out, also one bare picture."""
    form = build.form()
    if name == "enrol":
        form["required"] = ["images", "person"]
        form["properties"]["person"] = {"type": "string"}
    bare: Schema = {kind: {"schema": {}} for kind in PICTURE_TYPES} if name == "search" else {}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": build.reference(PICTURES[name].__name__)},
            "multipart/form-data": {"schema": form},
            **bare,
        },
    }
