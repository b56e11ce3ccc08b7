"""Who may call: every route, with each way of proving who one is, and without."""

import io
import json
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.credentials import Credentials

from tests.deploy.callers import Answer, Endpoint, User, allow, forbid, issuer, make_user
from tests.deploy.emulator import ACCOUNT, MINISTACK, REGION, ROOT, Emulator, policy
from tests.deploy.permissions import shown
from tests.deploy.report import REPORT, Broken
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission, routes

AUDIENCE = "the-app"
AUTHORIZER = """
def handler(event, context):
    return {"isAuthorized": event["headers"].get("authorization") == "Bearer let-me-in"}
"""


ROUTES = routes(None, "HasUploads", "DoesSearch", "DoesRekognition")
# A stack that has them all.
EVERYTHING = {"Uploads": "yes", "Search": "yes", "Rekognition": "yes"}
BODIES = {
    "/v1/compare": (ROOT / "events/compare-same.json").read_bytes(),
    "/v1/embed": (ROOT / "events/embed.json").read_bytes(),
    "/v1/detect": (ROOT / "events/detect.json").read_bytes(),
    "/v1/uploads": b'{"content_type": "image/jpeg"}',
    "/service": b'{"cnt": 0, "images": []}',
}
PARTS = {"{collection}": "none", "{person+}": "nobody", "{face}": "none"}
EVERY_ROUTE = pytest.mark.parametrize(("method", "route"), ROUTES)


def request_of(method: str, route: str) -> tuple[str, bytes | None]:
    """A path of a route, and the body of a request to it."""
    path = route
    for part, name in PARTS.items():
        path = path.replace(part, name)
    return path, BODIES.get(route, b"{}" if method in ("POST", "PUT") else None)


@dataclass(frozen=True)
class Api:
    endpoint: Endpoint
    user: User

    def refusals(self, method: str, route: str) -> dict[str, Answer]:
        """What each caller hears who may not call."""
        (path, body), call = request_of(method, route), self.endpoint
        stranger = Credentials("AKIANOBODYKNOWSTHIS0", "secret")
        wrong = Credentials(self.user.key, "wrong")
        return {
            "unsigned": call.call(method, path, body),
            "wrongly signed": call.signed(wrong, method, path, body),
            "of an unknown key": call.signed(stranger, method, path, body),
            "signed long ago": call.signed_long_ago(self.user.credentials, method, path, body),
        }


@pytest.fixture(scope="module")
def caller(emulator: Emulator) -> User:
    return make_user(emulator, f"caller-{uuid.uuid4().hex[:6]}")


def check_answer(route: str, answer: Answer) -> None:
    """The function answered the caller who may call, not merely a gateway."""
    if route not in BODIES and route not in ("/v1/health", "/v1/model", "/openapi.json"):
        # Collections of which there are none, and Rekognition's protocol without an operation.
        assert answer.status not in (401, 403), answer.body
        assert answer.status < 500, answer.body
        assert answer.headers.get("x-request-id") or route == "/"
        return
    assert answer.status == 200, answer.body
    if route == "/service":
        assert answer.body == b"-1"
        return
    document = json.loads(answer.body)
    assert (
        document.get("openapi")
        or document.get("uploads")
        or document.get("model")
        or document.get("thresholds")
    )


# ------------------------------------------------------------------ IAM
@pytest.fixture(scope="module")
def iam_api(stack: Stack, caller: User) -> Api:
    stack.require(**EVERYTHING)
    api_id = stack.resources["HttpApi"]
    resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*"
    allow(stack.emulator, caller, "execute-api:Invoke", resource=resource)
    return Api(Endpoint(stack.emulator, stack.outputs["ApiUrl"]), caller)


@EVERY_ROUTE
def test_iam_admits_the_caller_with_a_right_signature_alone(
    iam_api: Api, method: str, route: str
) -> None:
    for who, answer in iam_api.refusals(method, route).items():
        assert answer.status == 403, who
        assert b"model" not in answer.body
    admitted = iam_api.endpoint.signed(iam_api.user.credentials, method, *request_of(method, route))
    check_answer(route, admitted)
    shown(Permission(ROUTES[method, route], 0, "AuthorizationType"))
    REPORT.calls.append(f"IAM {method} {route}: four refusals, one answer")


def test_iam_refuses_a_caller_without_the_permission(stack: Stack, iam_api: Api) -> None:
    other = make_user(stack.emulator, f"other-{uuid.uuid4().hex[:6]}")
    answer = iam_api.endpoint.signed(other.credentials, "GET", "/v1/health")
    assert answer.status == 403


def test_a_path_that_is_no_route_is_not_found(iam_api: Api) -> None:
    user = iam_api.user.credentials
    assert iam_api.endpoint.signed(user, "GET", "/v1/nothing").status == 404


# ------------------------------------------------------------------ JWT
@pytest.fixture(scope="module")
def jwt_api(stack: Stack) -> Iterator[tuple[Endpoint, dict[str, str]]]:
    with issuer() as (url, keys):
        made = subprocess.run(
            [MINISTACK, ROOT / "tests/deploy/make_tokens.py", url, AUDIENCE],
            capture_output=True,
            check=True,
        )
        document = json.loads(made.stdout)
        keys.append(document["jwks"])
        stack.require(Authorization="JWT", JwtIssuer=url, JwtAudience=AUDIENCE, **EVERYTHING)
        yield Endpoint(stack.emulator, stack.outputs["ApiUrl"]), document["tokens"]


@EVERY_ROUTE
def test_jwt_admits_a_good_token_alone(
    jwt_api: tuple[Endpoint, dict[str, str]], method: str, route: str
) -> None:
    endpoint, tokens = jwt_api
    path, body = request_of(method, route)
    assert endpoint.call(method, path, body).status == 401
    bad = {**tokens, "garbage": "x.y.z"}
    good = bad.pop("good")
    for what, token in bad.items():
        answer = endpoint.call(method, path, body, authorization=f"Bearer {token}")
        assert answer.status in (401, 403), what
    check_answer(route, endpoint.call(method, path, body, authorization=f"Bearer {good}"))
    REPORT.calls.append(f"JWT {method} {route}: {len(bad) + 1} refusals, one answer")


# ------------------------------------------------------------------ LAMBDA
@pytest.fixture(scope="module")
def authorized_api(stack: Stack) -> Endpoint:
    arn = make_authorizer(stack.emulator)
    stack.require(Authorization="LAMBDA", AuthorizerFunctionArn=arn, **EVERYTHING)
    return Endpoint(stack.emulator, stack.outputs["ApiUrl"])


def make_authorizer(emulator: Emulator) -> str:
    """A function of the deployer's own, which exists before the stack."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("authorizer.py", AUTHORIZER)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = emulator.client("iam").create_role(
        RoleName=f"authorizer-{uuid.uuid4().hex[:6]}",
        AssumeRolePolicyDocument=policy({**trust, "Action": "sts:AssumeRole"}),
    )["Role"]["Arn"]
    made = emulator.client("lambda").create_function(
        FunctionName=f"authorizer-{uuid.uuid4().hex[:6]}",
        Runtime="python3.11",
        Handler="authorizer.handler",
        Role=role,
        Code={"ZipFile": packed.getvalue()},
    )
    return str(made["FunctionArn"])


@EVERY_ROUTE
def test_lambda_admits_whom_the_authorizer_admits(
    authorized_api: Endpoint, method: str, route: str
) -> None:
    path, body = request_of(method, route)
    assert authorized_api.call(method, path, body).status == 401
    refused = authorized_api.call(method, path, body, authorization="Bearer let-me-out")
    assert refused.status == 403
    admitted = authorized_api.call(method, path, body, authorization="Bearer let-me-in")
    check_answer(route, admitted)
    REPORT.calls.append(f"LAMBDA {method} {route}: two refusals, one answer")


def test_the_api_may_ask_the_authorizer_and_nobody_else_needs_to(
    stack: Stack, authorized_api: Endpoint
) -> None:
    function = (stack.deployed or {})["AuthorizerFunctionArn"]
    with without_permission(stack.emulator, function):
        answer = authorized_api.call("GET", "/v1/health", authorization="Bearer let-me-in")
        assert answer.status in (403, 500)
    answer = authorized_api.call("GET", "/v1/health", authorization="Bearer let-me-in")
    check_answer("/v1/health", answer)
    where = Permission("AuthorizerPermission", 0, "lambda:InvokeFunction")
    shown(where)
    REPORT.broken.append(Broken(str(where), "effect", "refused", "answers again"))


def statements_of(client: Any, function: str) -> list[dict[str, Any]]:
    """Whom a function lets in."""
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return []
    statements: list[dict[str, Any]] = policy["Statement"]
    return statements


class without_permission:  # noqa: N801 - reads as a statement
    """Takes the resource policy of a function away for the length of a `with`."""

    def __init__(self, emulator: Emulator, function: str) -> None:
        self.client, self.function = emulator.client("lambda"), function

    def __enter__(self) -> None:
        self.statements = statements_of(self.client, self.function)
        for statement in self.statements:
            self.client.remove_permission(FunctionName=self.function, StatementId=statement["Sid"])

    def __exit__(self, *_failure: object) -> None:
        for statement in self.statements:
            source = statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn")
            self.client.add_permission(
                FunctionName=self.function,
                StatementId=statement["Sid"],
                Action=statement["Action"],
                Principal=statement["Principal"]["Service"],
                **({"SourceArn": source} if source else {}),
            )


# ------------------------------------------------------------------ function URL
@pytest.fixture(scope="module")
def address(stack: Stack, caller: User) -> Api:
    stack.require(FunctionUrl="yes", **EVERYTHING)
    return Api(Endpoint(stack.emulator, stack.outputs["Url"], "lambda"), caller)


@EVERY_ROUTE
def test_the_function_url_admits_the_caller_with_both_permissions(
    stack: Stack, address: Api, method: str, route: str
) -> None:
    function, user = stack.outputs["FunctionArn"], address.user
    actions = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
    allow(stack.emulator, user, *actions, resource=function)
    for who, answer in address.refusals(method, route).items():
        assert answer.status == 403, who
    path, body = request_of(method, route)
    check_answer(route, address.endpoint.signed(user.credentials, method, path, body))
    forbid(stack.emulator, user)
    assert address.endpoint.signed(user.credentials, method, path, body).status == 403
    shown(Permission("FunctionAddress", 0, "AuthType"))
    REPORT.calls.append(f"function URL {method} {route}: five refusals, one answer")
