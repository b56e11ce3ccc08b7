"""Collections on the deployed stack: their routes, and what the function may do to their bucket."""

import base64
import io
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from urllib3.response import HTTPResponse

from tests import rekognition_program
from tests.deploy.breaking import EVALUATED, broken, check_deny, plain
from tests.deploy.callers import Endpoint, User, allow, make_user
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission
from tests.deploy.test_permissions import may
from tests.deploy.workload import PICTURES
from tools.client import rekognition


@pytest.fixture(scope="module")
def searching(stack: Stack) -> Stack:
    stack.require(Uploads="yes", Search="yes", Rekognition="yes")
    return stack


@pytest.fixture(scope="module")
def collection(searching: Stack) -> str:
    name = f"staff-{uuid.uuid4().hex[:8]}"
    made = invoke(searching, operation="create_collection", collection=name)
    assert "error" not in made
    return name


def invoke(stack: Stack, **event: Any) -> dict[str, Any]:
    client, name = stack.emulator.client("lambda"), stack.resources["FacenetFunction"]
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    document: dict[str, Any] = json.loads(answer["Payload"].read())
    return document


def picture(name: str) -> str:
    return base64.b64encode((PICTURES / name).read_bytes()).decode()


def enrol(stack: Stack, collection: str, person: str) -> dict[str, Any]:
    images = [picture("eileen_collins.jpg")]
    return invoke(stack, operation="enrol", collection=collection, person=person, images=images)


def held(stack: Stack) -> list[str]:
    bucket = stack.resources["SearchStore"]
    rows = stack.emulator.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [row["Key"] for row in rows]


def test_a_person_is_enrolled_and_found(searching: Stack, collection: str) -> None:
    assert "error" not in enrol(searching, collection, "collins")
    images = [picture("eileen_collins_second.jpg")]
    found = invoke(searching, operation="search", collection=collection, images=images)
    assert found["images"][0]["faces"][0]["matches"][0]["person"] == "collins"
    REPORT.calls.append("collection: created, one person enrolled and found by another picture")


def test_three_pictures_name_the_people_of_a_group_photograph(
    searching: Stack, collection: str
) -> None:
    people = {
        "collins": ["eileen_collins.jpg", "eileen_collins_second.jpg"],
        "hopper": ["grace_hopper_second.jpg"],
    }
    for person, names in people.items():
        images = [picture(name) for name in names]
        invoke(searching, operation="enrol", collection=collection, person=person, images=images)
    group = {"images": [picture("two_people.jpg")], "face": "all"}
    found = invoke(searching, operation="search", collection=collection, **group)
    faces = found["images"][0]["faces"]
    assert sorted(face["matches"][0]["person"] for face in faces) == ["collins", "hopper"]
    REPORT.calls.append("collection: three pictures named both people of a group photograph")


def test_without_putting_nobody_is_enrolled(searching: Stack, collection: str) -> None:
    where = Permission("KeepCollections", 0, "s3:PutObject")
    before = held(searching)
    with broken(searching, where, "nobody is enrolled", "enrolled"):
        assert "error" in enrol(searching, collection, "second")
        assert held(searching) == before
    assert "error" not in enrol(searching, collection, "second")
    assert len(held(searching)) > len(before)


@pytest.mark.parametrize(
    ("statement", "action"), [(0, "s3:GetObject"), (0, "s3:DeleteObject"), (1, "s3:ListBucket")]
)
def test_the_function_may_keep_collections(searching: Stack, statement: int, action: str) -> None:
    where = Permission("KeepCollections", statement, action)
    bucket = f"arn:aws:s3:::{searching.resources['SearchStore']}"
    resource = bucket if statement else f"{bucket}/truth/faces/x"
    assert may(searching, "FunctionRole", action, resource)
    with broken(searching, where, "the policy refuses", "the policy allows", EVALUATED):
        assert not may(searching, "FunctionRole", action, resource)


def test_the_collections_bucket_refuses_plain_http(searching: Stack) -> None:
    client, bucket = plain(searching, "s3", "s3:*"), searching.resources["SearchStore"]
    where = Permission("SearchStorePolicy", 0, "s3:*")
    check_deny(searching, where, lambda: client.list_objects_v2(Bucket=bucket))


@pytest.fixture(scope="module")
def caller(searching: Stack) -> User:
    user = make_user(searching.emulator, f"caller-{uuid.uuid4().hex[:6]}")
    allow(searching.emulator, user, "execute-api:Invoke")
    return user


def sending_through(endpoint: Endpoint) -> Callable[..., AWSResponse]:
    """Takes a signed request to the emulator, which no name server knows by the API's own name."""

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        def text(value: Any) -> str:
            return value.decode() if isinstance(value, bytes) else str(value)

        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {name.lower(): text(value) for name, value in request.headers.items()}
        answer = endpoint.call(request.method, urlsplit(request.url).path or "/", body, **headers)
        raw = HTTPResponse(body=io.BytesIO(answer.body), preload_content=False)
        return AWSResponse(request.url, answer.status, HeadersDict(answer.headers), raw)

    return send


def test_a_program_for_rekognition_runs_against_the_stack(searching: Stack, caller: User) -> None:
    """boto3's own client and the lines for signing."""
    url = searching.outputs["ApiUrl"]
    session = boto3.Session(caller.key, caller.secret)
    client = rekognition(url, session)
    endpoint = Endpoint(searching.emulator, url)
    client.meta.events.register("before-send.rekognition", sending_through(endpoint))
    found = rekognition_program.run(client, f"people-{uuid.uuid4().hex[:8]}")
    assert found == rekognition_program.EXPECTED
    REPORT.calls.append(f"Rekognition: boto3's client made all {len(found)} calls")
