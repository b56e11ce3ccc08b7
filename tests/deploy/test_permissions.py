"""Every permission of the template taken away once: what fails, what stays, and that it heals.

What the emulator cannot show by an effect is held against the calls that AWS documents; the table
at the end says which. The last test of test_updates.py holds the table against the template.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import pytest

from tests.deploy.breaking import EFFECT, EVALUATED, broken, check_deny, plain, refuses
from tests.deploy.callers import Endpoint, allow, make_user
from tests.deploy.emulator import ACCOUNT, REGION, until
from tests.deploy.permissions import shown, trusts, without
from tests.deploy.report import REPORT, Broken
from tests.deploy.stack import Stack
from tests.deploy.template_text import TRUST as TRUSTED
from tests.deploy.template_text import Permission
from tests.deploy.test_backfill import put_rows, run
from tests.deploy.workload import Workload

QUIET_SECONDS = 2.5  # longer than any of these takes to arrive


@pytest.fixture
def hasty(batch: Workload) -> Workload:
    """The queues empty; a message that failed comes again after a second."""
    batch.hide_briefly()
    batch.purge()
    return batch


def name() -> str:
    return f"broken/{uuid.uuid4().hex[:8]}.jpg"


def request(batch: Workload, key: str, **more: Any) -> dict[str, Any]:
    picture = {"s3": {"bucket": batch.inputs, "key": key, **more}}
    return {"operation": "detect", "images": [picture]}


def redrive_until(batch: Workload, condition: Any) -> None:
    """Send dead letters back, again and again while the permission takes hold."""

    def healed() -> bool:
        batch.redrive()
        return bool(condition())

    until(healed, 45, pause=0.5)
    until(lambda: batch.waiting() + batch.dead() == 0, 20)


# ------------------------------------------------------------------ the function and its objects
READ_OR_WRITE = [Permission("ReadInput", 0, "s3:GetObject")]
READ_OR_WRITE += [Permission("WriteOutput", 0, "s3:PutObject")]


@pytest.mark.parametrize("where", READ_OR_WRITE, ids=str)
def test_without_its_objects_everything_waits_for_the_permission(
    hasty: Workload, where: Permission
) -> None:
    key = name()
    with broken(hasty.stack, where, "object and request: dead letters", "redriven: both done"):
        hasty.put(key)
        message = hasty.send(request(hasty, key))
        until(lambda: hasty.dead() == 2, 60)
        assert not hasty.results_of(key)
        assert not hasty.keys(f"{hasty.prefix}/_requests/{message}")
    redrive_until(
        hasty, lambda: hasty.results_of(key) and hasty.keys(f"{hasty.prefix}/_requests/{message}")
    )


def test_a_version_needs_a_permission_of_its_own(hasty: Workload) -> None:
    key, where = name(), Permission("ReadInput", 0, "s3:GetObjectVersion")
    hasty.s3.put_bucket_versioning(
        Bucket=hasty.inputs, VersioningConfiguration={"Status": "Enabled"}
    )
    version = hasty.put(key)["VersionId"]
    hasty.result_of(key)
    with broken(hasty.stack, where, "request for a version: dead letter", "redriven: answered"):
        message = hasty.send(request(hasty, key, version_id=version))
        until(lambda: hasty.dead() == 1, 60)
    redrive_until(hasty, lambda: hasty.keys(f"{hasty.prefix}/_requests/{message}"))
    hasty.s3.put_bucket_versioning(
        Bucket=hasty.inputs, VersioningConfiguration={"Status": "Suspended"}
    )


def test_without_listing_a_gap_cannot_be_told_from_a_refusal(hasty: Workload) -> None:
    where = Permission("ReadInput", 1, "s3:ListBucket")
    with broken(hasty.stack, where, "missing object: dead letter", "redriven: ObjectNotFound"):
        message = hasty.send(request(hasty, "never-there.jpg"))
        until(lambda: hasty.dead() == 1, 60)
        assert not hasty.keys(f"{hasty.prefix}/_requests/{message}")
    redrive_until(hasty, lambda: hasty.keys(f"{hasty.prefix}/_requests/{message}"))
    assert hasty.answer_to(message)["error"]["code"] == "ObjectNotFound"


QUEUE = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


@pytest.mark.parametrize("action", QUEUE)
def test_without_its_queue_messages_wait_in_it(hasty: Workload, action: str) -> None:
    key, where = name(), Permission("WriteOutput", 1, action)
    with broken(hasty.stack, where, "the message waits", "the result is written"):
        hasty.put(key)
        until(lambda: hasty.waiting() == 1, 10)
        time.sleep(QUIET_SECONDS)
        assert hasty.waiting() == 1
        assert not hasty.results_of(key)
    hasty.result_of(key)


LOG_CALLS = ["logs:CreateLogStream", "logs:PutLogEvents"]


@pytest.mark.parametrize("action", LOG_CALLS)
def test_without_its_log_the_function_cannot_write_a_line(batch: Workload, action: str) -> None:
    """Lambda writes the log in the role's name; here the test does."""
    stack, where = batch.stack, Permission("FunctionRole", 0, action)
    write_line(stack)
    with broken(stack, where, "AccessDenied for a line of the log", "the line is written"):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            write_line(stack)
        assert "AccessDenied" in refused.value.response["Error"]["Code"]
    write_line(stack)


def write_line(stack: Stack) -> None:
    role = stack.outputs["FunctionRoleArn"]
    taken = stack.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="log")
    keys = taken["Credentials"]
    key = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    logs = stack.emulator.client("logs", key)
    where = {"logGroupName": stack.resources["FunctionLogs"], "logStreamName": uuid.uuid4().hex}
    logs.create_log_stream(**where)
    line = {"timestamp": int(time.time() * 1000), "message": "a line"}
    logs.put_log_events(**where, logEvents=[line])


# ------------------------------------------------------------------ the queues
def test_an_event_that_the_queue_refuses_is_a_dead_letter(hasty: Workload) -> None:
    key, where = name(), Permission("QueuePolicy", 0, "sqs:SendMessage")
    with broken(hasty.stack, where, "the event is a dead letter", "redriven: the result"):
        hasty.put(key)
        until(lambda: hasty.dead() == 1, 10)
        assert hasty.waiting() == 0
    redrive_until(hasty, lambda: hasty.results_of(key))
    hasty.put(after := name())
    assert hasty.result_of(after)["faces"]


def test_without_a_place_for_dead_letters_only_the_back_fill_finds_the_object(
    hasty: Workload,
) -> None:
    key, where = name(), Permission("DeadLettersPolicy", 0, "sqs:SendMessage")
    queue = Permission("QueuePolicy", 0, "sqs:SendMessage")
    healed = "the back-fill writes the result"
    with broken(hasty.stack, where, "the event is lost", healed), without(hasty.stack, queue):
        hasty.put(key)
        time.sleep(QUIET_SECONDS)
        assert hasty.dead() == hasty.waiting() == 0
    run(hasty, {})
    assert hasty.results_of(key)
    with without(hasty.stack, queue):
        hasty.put(name())
        until(lambda: hasty.dead() == 1, 10)


@pytest.mark.parametrize("resource", ["QueuePolicy", "DeadLettersPolicy"])
def test_a_queue_refuses_plain_http(batch: Workload, resource: str) -> None:
    queue = {"QueuePolicy": "InputQueue", "DeadLettersPolicy": "DeadLetters"}[resource]
    url = batch.stack.resources[queue]
    client = plain(batch.stack, "sqs", "sqs:*")

    def look() -> None:
        client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])

    check_deny(batch.stack, Permission(resource, 1, "sqs:*"), look)


@pytest.mark.parametrize("resource", ["InputStorePolicy", "OutputStorePolicy"])
def test_a_bucket_refuses_plain_http(batch: Workload, resource: str) -> None:
    bucket = batch.inputs if resource == "InputStorePolicy" else batch.outputs
    client = plain(batch.stack, "s3", "s3:*")
    check_deny(
        batch.stack,
        Permission(resource, 0, "s3:*"),
        lambda: client.list_objects_v2(Bucket=bucket),
    )


def test_a_caller_needs_leave_to_send_to_the_queue(hasty: Workload) -> None:
    user = make_user(hasty.stack.emulator, f"sender-{uuid.uuid4().hex[:6]}")
    client = hasty.stack.emulator.client("sqs", (user.key, user.secret))
    outputs = hasty.stack.outputs
    send = {"QueueUrl": outputs["InputQueueUrl"], "MessageBody": "{}"}
    refuses(lambda: client.send_message(**send))
    allow(hasty.stack.emulator, user, "sqs:SendMessage", resource=outputs["InputQueueArn"])
    client.send_message(**send)
    hasty.purge()
    REPORT.broken.append(Broken("a caller's sqs:SendMessage", EFFECT, "refused", "accepted"))


# ------------------------------------------------------------------ the back-fill
@pytest.fixture(scope="module")
def asleep(batch: Workload) -> Workload:
    """One object with a result, for a back-fill to do again."""
    batch.put("one.jpg")
    batch.result_of("one.jpg")
    return batch


def written_by_backfill(batch: Workload, request: dict[str, Any]) -> bool:
    """Whether a back-fill writes the result again and leaves its manifest."""
    for key in [*batch.results_of("one.jpg"), *batch.keys("_backfill/")]:
        batch.s3.delete_object(Bucket=batch.outputs, Key=key)
    run(batch, request)
    manifests = [key for key in batch.keys("_backfill/") if key.endswith("manifest.json")]
    return bool(batch.results_of("one.jpg")) and bool(manifests)


LISTED = {0: "lambda:InvokeFunction", 1: "s3:ListBucket", 3: "s3:PutObject"}
LISTED[4] = "states:StartExecution"


@pytest.mark.parametrize("statement", LISTED)
def test_a_back_fill_needs_each_of_its_calls(asleep: Workload, statement: int) -> None:
    where = Permission("BackfillRole", statement, LISTED[statement])
    with broken(asleep.stack, where, "no result, or no manifest", "started again: both"):
        assert not written_by_backfill(asleep, {})
    assert written_by_backfill(asleep, {})


def test_a_back_fill_needs_to_read_the_inventory(asleep: Workload) -> None:
    where = Permission("BackfillRole", 2, "s3:GetObject")
    key = put_rows(asleep, [(asleep.inputs, "one.jpg")])
    inventory = {"inventory": {"bucket": asleep.outputs, "key": key}}
    with broken(asleep.stack, where, "no result", "started again: the result"):
        assert not written_by_backfill(asleep, inventory)
    assert written_by_backfill(asleep, inventory)


# ------------------------------------------------------------------ what is called by AWS alone
@dataclass(frozen=True)
class Call:
    """A call that an AWS service makes in the name of a role, which nothing here makes.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
    """

    where: Permission
    role: str
    resource: str


def calls() -> list[Call]:
    output = "arn:aws:s3:::{OutputBucketName}"
    execution = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:facenet-lambda-backfill/x"
    rows = [
        ("BackfillRole", 2, "s3:GetObjectVersion", f"{output}/_inventory/m"),
        ("BackfillRole", 3, "s3:GetObject", f"{output}/_backfill/m"),
        ("BackfillRole", 3, "s3:ListMultipartUploadParts", f"{output}/_backfill/m"),
        ("BackfillRole", 3, "s3:AbortMultipartUpload", f"{output}/_backfill/m"),
        ("BackfillRole", 5, "states:DescribeExecution", execution),
        ("BackfillRole", 5, "states:StopExecution", execution),
        ("BatchOperationsRole", 0, "lambda:InvokeFunction", "{FunctionArn}"),
        ("BatchOperationsRole", 1, "s3:GetObject", f"{output}/_manifests/m.csv"),
        ("BatchOperationsRole", 1, "s3:GetObjectVersion", f"{output}/_manifests/m.csv"),
        ("BatchOperationsRole", 2, "s3:PutObject", f"{output}/_reports/r.csv"),
    ]
    return [Call(Permission(*row[:3]), row[0], row[3]) for row in rows]


@pytest.mark.parametrize("call", calls(), ids=lambda call: str(call.where))
def test_what_only_aws_calls_is_allowed_by_the_policy(batch: Workload, call: Call) -> None:
    stack = batch.stack
    resource = call.resource.format(**stack.outputs)
    assert may(stack, call.role, call.where.action, resource)
    with broken(stack, call.where, "the policy refuses", "the policy allows", EVALUATED):
        assert not may(stack, call.role, call.where.action, resource)


def may(stack: Stack, role: str, action: str, resource: str) -> bool:
    iam = stack.emulator.client("iam")
    found = iam.simulate_principal_policy(
        PolicySourceArn=iam.get_role(RoleName=stack.resources[role])["Role"]["Arn"],
        ActionNames=[action],
        ResourceArns=[resource],
    )
    return bool(found["EvaluationResults"][0]["EvalDecision"] == "allowed")


TRUST = {
    "FunctionRole": "lambda.amazonaws.com",
    "BackfillRole": "states.amazonaws.com",
    "BatchOperationsRole": "batchoperations.s3.amazonaws.com",
}


@pytest.mark.parametrize("role", TRUST)
def test_each_role_is_trusted_to_its_service(batch: Workload, role: str) -> None:
    iam = batch.stack.emulator.client("iam")
    found = iam.get_role(RoleName=batch.stack.resources[role])["Role"]
    assert trusts(found, TRUST[role])
    shown(Permission(f"{role}.{TRUSTED}", 0, "sts:AssumeRole"))


# ------------------------------------------------------------------ the API
def test_the_api_needs_leave_to_call_the_function(batch: Workload) -> None:
    from tests.deploy.test_callers import without_permission

    stack = batch.stack
    endpoint = Endpoint(stack.emulator, stack.outputs["ApiUrl"])
    user = make_user(stack.emulator, f"caller-{uuid.uuid4().hex[:6]}")
    allow(stack.emulator, user, "execute-api:Invoke")
    with without_permission(stack.emulator, stack.resources["FacenetFunction"]):
        assert endpoint.signed(user.credentials, "GET", "/v1/health").status == 500
    assert endpoint.signed(user.credentials, "GET", "/v1/health").status == 200
    shown(Permission("HttpPermission", 0, "lambda:InvokeFunction"))
    REPORT.broken.append(
        Broken("HttpPermission[0] lambda:InvokeFunction", EFFECT, "500", "answers again")
    )
