"""AWS JSON 1.1: `X-Amz-Target` names the operation, `__type` an error.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import msgspec

from handler.decoding import decode_json
from handler.errors import ApiError, printable
from handler.faces.service import AnyService, Service, ready
from handler.invocation import Invocation, as_api_error
from handler.rekognition.errors import INVALID, RekognitionError, translate

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET = "RekognitionService."
LONGEST_TARGET = 100

Operation = Callable[[Any, Service, Invocation], Any]
# Operation -> module, request and function; a module is imported by the first call that needs it.
FACES, COLLECTIONS, INDEXING, SEARCHES, USERS = (
    f"handler.rekognition.{name}" for name in ("faces", "collections", "indexing", "find", "users")
)
OPERATIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "CompareFaces": (FACES, "compare_faces"),
        "DetectFaces": (FACES, "detect_faces"),
        "CreateCollection": (COLLECTIONS, "create_collection"),
        "DescribeCollection": (COLLECTIONS, "describe_collection"),
        "ListCollections": (COLLECTIONS, "list_collections"),
        "DeleteCollection": (COLLECTIONS, "delete_collection"),
        "IndexFaces": (INDEXING, "index_faces"),
        "ListFaces": (INDEXING, "list_faces"),
        "DeleteFaces": (INDEXING, "delete_faces"),
        "SearchFaces": (SEARCHES, "search_faces"),
        "SearchFacesByImage": (SEARCHES, "search_faces_by_image"),
        "CreateUser": (USERS, "create_user"),
        "ListUsers": (USERS, "list_users"),
        "DeleteUser": (USERS, "delete_user"),
        "AssociateFaces": (USERS, "associate_faces"),
        "DisassociateFaces": (USERS, "disassociate_faces"),
        "SearchUsers": (SEARCHES, "search_users"),
        "SearchUsersByImage": (SEARCHES, "search_users_by_image"),
    }
)


@dataclass(frozen=True)
class Reply:
    """What an HTTP response carries."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def answer(
    target: str,
    read_body: Callable[[], bytes],
    require_room: Callable[[bytes], None],
    service: AnyService,
    invocation: Invocation,
) -> Reply:
    """The answer to one call, an error too.

    Args:
        target: The header X-Amz-Target.
        read_body: Gives the body's bytes; may raise ApiError.
        require_room: Raises ApiError where an answer's body is too large to be delivered.
    """
    try:
        shown = run(target, read_body, ready(service), invocation)
        body, status = msgspec.json.encode(shown), 200
        require_room(body)
    except RekognitionError as failure:
        invocation.note(code=failure.kind, status=failure.status)
        body, status = _error(failure), failure.status
    except Exception as failure:
        error = translate(as_api_error(failure, invocation))
        body, status = _error(error), error.status
    return Reply(status, body, {"x-amzn-requestid": invocation.request_id})


def run(
    target: str, read_body: Callable[[], bytes], service: Service, invocation: Invocation
) -> Any:
    """The answer as a structure. Raises RekognitionError and ApiError."""
    name = operation_of(target)
    module, function = OPERATIONS[name]
    operations = import_module(module)
    request = _request(read_body(), getattr(operations, name))
    operation: Operation = getattr(operations, function)
    invocation.note(operation=name)
    return operation(request, service, invocation)


def operation_of(target: str) -> str:
    """The operation that a target names. Raises RekognitionError, which lists those that are."""
    name = target.removeprefix(TARGET)
    if target.startswith(TARGET) and name in OPERATIONS:
        return name
    shown = printable(target, LONGEST_TARGET) or "(none)"
    raise RekognitionError(
        "UnknownOperationException",
        f"X-Amz-Target {shown} is not served. Served of RekognitionService: "
        f"{', '.join(OPERATIONS)}.",
    )


def _request(body: bytes, kind: Any) -> Any:
    try:
        return decode_json(body, kind)
    except ApiError as failure:
        field = failure.details.get("field")
        raise RekognitionError(
            INVALID if field else "SerializationException", failure.message
        ) from None


def _error(error: RekognitionError) -> bytes:
    return msgspec.json.encode({"__type": error.kind, "message": printable(error.message)})
