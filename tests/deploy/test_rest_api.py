"""The REST API of docs/rest-api.yaml: bytes arrive as bytes, thanks to one of its lines."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.deploy.callers import Endpoint, allow, make_user
from tests.deploy.emulator import ROOT, until
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack
from tests.deploy.workload import PICTURES

FRAGMENT = ROOT / "docs/rest-api.yaml"
BINARY = '      BinaryMediaTypes: ["*/*"]\n'


@pytest.fixture(scope="module", params=[True, False], ids=["binary", "text"])
def rest(stack: Stack, request: pytest.FixtureRequest) -> Iterator[tuple[Endpoint, bool]]:
    """The API of the fragment, with and without its binary types."""
    stack.require(FunctionUrl="yes", Uploads="yes")
    text = FRAGMENT.read_text(encoding="utf-8")
    assert text.count(BINARY) == 1
    client, name = stack.emulator.client("cloudformation"), f"rest-{uuid.uuid4().hex[:6]}"
    function = {"ParameterKey": "FunctionArn", "ParameterValue": stack.outputs["FunctionArn"]}
    body = text if request.param else text.replace(BINARY, "")
    client.create_stack(StackName=name, TemplateBody=body, Parameters=[function])

    def state() -> str:
        found = client.describe_stacks(StackName=name)["Stacks"][0]
        return str(found["StackStatus"])

    until(lambda: "IN_PROGRESS" not in state(), 30)
    assert state() == "CREATE_COMPLETE"
    outputs = client.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    api = next(row["OutputValue"] for row in outputs if row["OutputKey"] == "ApiId")
    host = f"{api}.execute-api.localhost:{stack.emulator.port}"
    yield Endpoint(stack.emulator, f"https://{host}"), request.param
    client.delete_stack(StackName=name)


def test_a_bare_picture_needs_the_binary_types(stack: Stack, rest: tuple[Endpoint, bool]) -> None:
    endpoint, binary = rest
    user = make_user(stack.emulator, f"rest-{uuid.uuid4().hex[:6]}")
    allow(stack.emulator, user, "execute-api:Invoke")
    picture = (PICTURES / "grace_hopper.jpg").read_bytes()
    answer = endpoint.signed(
        user.credentials, "POST", "/prod/v1/detect", picture, content_type="image/jpeg"
    )
    document = json.loads(answer.body)
    if binary:
        assert document["images"][0]["faces"]
        REPORT.calls.append("REST API of docs/rest-api.yaml: a bare JPEG is detected")
    else:
        assert document["error"]["code"] == "UnsupportedFormat"
    assert endpoint.call("POST", "/prod/v1/detect", picture).status == 403
