"""Who may call: every route, with each way of proving who one is, and without."""

import io
import json
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from botocore.credentials import Credentials

from tests.deploy.callers import Answer, Endpoint, User, issuer, make_user
from tests.deploy.emulator import ACCOUNT, MINISTACK, REGION, ROOT, Emulator, policy
from tests.deploy.permissions import SHOWN, Permission
from tests.deploy.report import REPORT, Broken
from tests.deploy.stack import Stack

AUDIENCE = "the-app"
AUTHORIZER = """
def handler(event, context):
    return {"isAuthorized": event["headers"].get("authorization") == "Bearer let-me-in"}
"""


def read_routes() -> list[tuple[str, str]]:
    """(method, path) of every route that the template always has."""

    class Loader(yaml.SafeLoader):
        """Takes CloudFormation's tags for what they hold."""

    Loader.add_multi_constructor("!", lambda loader, _suffix, node: str(node.value))
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
    resources = template["Resources"].values()
    kind = "AWS::ApiGatewayV2::Route"
    routes = [each for each in resources if each["Type"] == kind and "Condition" not in each]
    return [tuple(each["Properties"]["RouteKey"].split()) for each in routes]


ROUTES = read_routes()
BODIES = {
    "/v1/compare": (ROOT / "events/compare-same.json").read_bytes(),
    "/v1/embed": (ROOT / "events/embed.json").read_bytes(),
    "/v1/detect": (ROOT / "events/detect.json").read_bytes(),
    "/v1/uploads": b'{"content_type": "image/jpeg"}',
    "/service": b'{"cnt": 0, "images": []}',
}
EVERY_ROUTE = pytest.mark.parametrize(("method", "path"), ROUTES)


@dataclass(frozen=True)
class Api:
    endpoint: Endpoint
    user: User

    def refusals(self, method: str, path: str) -> dict[str, Answer]:
        """What each caller hears who may not call."""
        body, call = BODIES.get(path), self.endpoint
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


def allow(emulator: Emulator, user: User, *actions: str, resource: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    emulator.client("iam").put_user_policy(
        UserName=user.name, PolicyName="call", PolicyDocument=policy(statement)
    )


def forbid(emulator: Emulator, user: User) -> None:
    emulator.client("iam").delete_user_policy(UserName=user.name, PolicyName="call")


def check_answer(path: str, answer: Answer) -> None:
    """The function answered the caller who may call, not merely a gateway."""
    assert answer.status == 200, answer.body
    if path == "/service":
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
    stack.require(Uploads="yes")
    api_id = stack.resources["HttpApi"]
    resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*"
    allow(stack.emulator, caller, "execute-api:Invoke", resource=resource)
    return Api(Endpoint(stack.emulator, stack.outputs["ApiUrl"]), caller)


@EVERY_ROUTE
def test_iam_admits_the_caller_with_a_right_signature_alone(
    iam_api: Api, method: str, path: str
) -> None:
    for who, answer in iam_api.refusals(method, path).items():
        assert answer.status == 403, who
        assert b"model" not in answer.body
    admitted = iam_api.endpoint.signed(iam_api.user.credentials, method, path, BODIES.get(path))
    check_answer(path, admitted)
    REPORT.calls.append(f"IAM {method} {path}: four refusals, one answer")


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
        stack.require(Authorization="JWT", JwtIssuer=url, JwtAudience=AUDIENCE, Uploads="yes")
        yield Endpoint(stack.emulator, stack.outputs["ApiUrl"]), document["tokens"]


@EVERY_ROUTE
def test_jwt_admits_a_good_token_alone(
    jwt_api: tuple[Endpoint, dict[str, str]], method: str, path: str
) -> None:
    endpoint, tokens = jwt_api
    body = BODIES.get(path)
    assert endpoint.call(method, path, body).status == 401
    bad = {**tokens, "garbage": "x.y.z"}
    good = bad.pop("good")
    for what, token in bad.items():
        answer = endpoint.call(method, path, body, authorization=f"Bearer {token}")
        assert answer.status in (401, 403), what
    check_answer(path, endpoint.call(method, path, body, authorization=f"Bearer {good}"))
    REPORT.calls.append(f"JWT {method} {path}: {len(bad) + 1} refusals, one answer")


# ------------------------------------------------------------------ LAMBDA
@pytest.fixture(scope="module")
def authorized_api(stack: Stack) -> Endpoint:
    arn = make_authorizer(stack.emulator)
    stack.require(Authorization="LAMBDA", AuthorizerFunctionArn=arn, Uploads="yes")
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
    authorized_api: Endpoint, method: str, path: str
) -> None:
    body = BODIES.get(path)
    assert authorized_api.call(method, path, body).status == 401
    refused = authorized_api.call(method, path, body, authorization="Bearer let-me-out")
    assert refused.status == 403
    admitted = authorized_api.call(method, path, body, authorization="Bearer let-me-in")
    check_answer(path, admitted)
    REPORT.calls.append(f"LAMBDA {method} {path}: two refusals, one answer")


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
    SHOWN.add(where)
    REPORT.broken.append(Broken(str(where), "effect", "refused", "answers again"))


class without_permission:  # noqa: N801 - reads as a statement
    """Takes the resource policy of a function away for the length of a `with`."""

    def __init__(self, emulator: Emulator, function: str) -> None:
        self.client, self.function = emulator.client("lambda"), function

    def __enter__(self) -> None:
        document = self.client.get_policy(FunctionName=self.function)["Policy"]
        self.statements = json.loads(document)["Statement"]
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
    stack.require(FunctionUrl="yes", Uploads="yes")
    return Api(Endpoint(stack.emulator, stack.outputs["Url"], "lambda"), caller)


@EVERY_ROUTE
def test_the_function_url_admits_the_caller_with_both_permissions(
    stack: Stack, address: Api, method: str, path: str
) -> None:
    function, user = stack.outputs["FunctionArn"], address.user
    actions = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
    allow(stack.emulator, user, *actions, resource=function)
    for who, answer in address.refusals(method, path).items():
        assert answer.status == 403, who
    body = BODIES.get(path)
    check_answer(path, address.endpoint.signed(user.credentials, method, path, body))
    forbid(stack.emulator, user)
    assert address.endpoint.signed(user.credentials, method, path, body).status == 403
    REPORT.calls.append(f"function URL {method} {path}: five refusals, one answer")
