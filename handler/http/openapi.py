"""OpenAPI 3.1, generated from the same models that validate requests and encode answers."""

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from handler import __version__
from handler.errors import STATUSES
from handler.faces import answers, uploads
from handler.faces.requests import Options, Request
from handler.http import openapi_collections
from handler.http.bodies import PICTURE_TYPES

Schema = dict[str, Any]

TEMPLATE = "#/components/schemas/{name}"
MODELS = (
    Request,
    Options,
    answers.CompareAnswer,
    answers.EmbedAnswer,
    answers.DetectAnswer,
    uploads.UploadRequest,
    uploads.UploadsAnswer,
    answers.HealthAnswer,
    answers.ModelCardAnswer,
    answers.ErrorAnswer,
)
OPERATIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "compare": ("Are these the same person?", "CompareAnswer"),
        "embed": ("Faces as vectors.", "EmbedAnswer"),
        "detect": ("Where are the faces?", "DetectAnswer"),
    }
)
# The error codes of any request that carries pictures, by status.
WORK_STATUSES = (400, 403, 404, 409, 413, 415, 422, 500, 503)


def document() -> Schema:
    """The whole description, as served at `/openapi.json`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "facenet-lambda",
            "version": __version__,
            "description": "Compare, embed, detect and search faces in your own AWS account.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            **{f"/v1/{name}": {"post": _work(name)} for name in OPERATIONS},
            "/v1/uploads": {"post": _uploads()},
            "/v1/health": {"get": _read("health", "Health of the function.", "HealthAnswer")},
            "/v1/model": {"get": _read("model", "The model's card.", "ModelCardAnswer")},
            **openapi_collections.paths(sys.modules[__name__]),
            "/openapi.json": {"get": _self()},
            "/service": {"post": _service()},
        },
        "components": {"schemas": _schemas()},
    }


def _work(name: str) -> Schema:
    summary, answer = OPERATIONS[name]
    return {
        "operationId": name,
        "summary": summary,
        "description": "JSON, a form with one file per picture, or one bare picture whose options "
        "are query parameters.",
        "parameters": _query_parameters(),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": reference("Request")},
                "multipart/form-data": {"schema": form()},
                **{kind: {"schema": {}} for kind in PICTURE_TYPES},
            },
        },
        "responses": {"200": json_response("The answer.", answer), **refusals(WORK_STATUSES)},
    }


def _uploads() -> Schema:
    """Answered with 404 where there is no upload bucket."""
    content = {"application/json": {"schema": reference("UploadRequest")}}
    return {
        "operationId": "uploads",
        "summary": "Forms for uploading large pictures, and the `image` objects to refer "
        "to them by.",
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": json_response("The forms.", "UploadsAnswer"),
            **refusals((400, 404, 413, 415, 500, 503)),
        },
    }


def _read(name: str, summary: str, answer: str) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": json_response(summary, answer), **refusals((500, 503))},
    }


def _self() -> Schema:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": content}},
    }


def _service() -> Schema:
    """The UAI example's endpoint answers text, and takes JSON whatever the content type says."""
    payload = {
        "type": "object",
        "required": ["images"],
        "properties": {
            "cnt": {"type": ["integer", "null"]},
            "images": {"type": "array", "items": {"type": "string"}},
        },
    }
    return {
        "operationId": "service",
        "summary": "The form of the UAI FaceNet example: the bare distance, or embeddings.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": payload}}},
        "responses": {
            "200": {
                "description": "The distance (-1 for fewer than two pictures), or JSON arrays.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            **refusals(WORK_STATUSES),
        },
    }


def _schemas() -> Schema:
    schemas: Schema = msgspec.json.schema_components(
        MODELS + openapi_collections.MODELS, ref_template=TEMPLATE
    )[1]
    schemas["ImageObject"]["oneOf"] = [
        {"required": ["s3"]},
        {"required": ["embedding"]},
        {"required": ["collection", "person"]},
    ]
    schemas["ErrorBody"]["properties"]["code"]["enum"] = list(STATUSES)
    return schemas


def _query_parameters() -> list[Schema]:
    return [
        query_parameter(name, schema)
        for name, schema in properties_of(Options).items()
        if name != "min_quality"
    ] + [query_parameter("min_quality", {"type": "number", "minimum": 0, "maximum": 1})]


def properties_of(kind: Any) -> Schema:
    """The schemas of a model's fields."""
    schemas = msgspec.json.schema_components([kind], ref_template=TEMPLATE)[1]
    properties: Schema = schemas[kind.__name__]["properties"]
    return properties


def query_parameter(name: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": "For forms and bare pictures; refused with a JSON body.",
        "schema": schema,
    }


def form() -> Schema:
    picture = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {
        "type": "object",
        "required": ["images"],
        "properties": {"images": {"type": "array", "items": picture, "minItems": 1}},
    }


def refusals(statuses: Iterable[int]) -> Schema:
    return {str(status): json_response(_codes(status), "ErrorAnswer") for status in statuses}


def _codes(status: int) -> str:
    return ", ".join(code for code, known in STATUSES.items() if known == status)


def json_response(description: str, name: str) -> Schema:
    return {
        "description": description,
        "content": {"application/json": {"schema": reference(name)}},
    }


def reference(name: str) -> Schema:
    return {"$ref": TEMPLATE.format(name=name)}
