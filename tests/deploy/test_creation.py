"""A stack that cannot be made leaves nothing; one without batches touches no bucket."""

import json
from collections.abc import Iterator

import botocore.exceptions
import pytest

from tests.deploy.emulator import ACCOUNT, REGION, ROOT, Emulator
from tests.deploy.stack import NAME, DeploymentError, Stack

TAKEN = f"{NAME}-output-{ACCOUNT}-{REGION}"


@pytest.fixture
def taken(emulator: Emulator) -> Iterator[str]:
    """The name of the output bucket belongs to a bucket already, with an object in it."""
    s3 = emulator.client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=TAKEN, CreateBucketConfiguration=where)
    s3.put_object(Bucket=TAKEN, Key="older.json", Body=b"{}")
    yield TAKEN
    assert s3.get_object(Bucket=TAKEN, Key="older.json")["Body"].read() == b"{}"
    s3.delete_object(Bucket=TAKEN, Key="older.json")
    s3.delete_bucket(Bucket=TAKEN)


def left_behind(emulator: Emulator) -> dict[str, list[str]]:
    """Everything with the stack's name in it, by kind; empty kinds are left out."""
    client = emulator.client
    found = {
        "buckets": [row["Name"] for row in client("s3").list_buckets()["Buckets"]],
        "functions": [
            row["FunctionName"] for row in client("lambda").list_functions()["Functions"]
        ],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "roles": [row["RoleName"] for row in client("iam").list_roles()["Roles"]],
        "rules": [row["Name"] for row in client("events").list_rules()["Rules"]],
        "machines": [
            row["name"] for row in client("stepfunctions").list_state_machines()["stateMachines"]
        ],
        "logs": [row["logGroupName"] for row in client("logs").describe_log_groups()["logGroups"]],
        "alarms": [
            row["AlarmName"] for row in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "dashboards": [
            row["DashboardName"]
            for row in client("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        "apis": [row["Name"] for row in client("apigatewayv2").get_apis()["Items"]],
    }
    ours = {kind: [name for name in names if NAME in name] for kind, names in found.items()}
    return {kind: sorted(names) for kind, names in ours.items() if names}


def test_a_creation_that_fails_leaves_nothing_behind(stack: Stack, taken: str) -> None:
    with pytest.raises(DeploymentError):
        stack.deploy(Batch="yes")
    assert stack.state["StackStatus"] == "ROLLBACK_COMPLETE"
    assert left_behind(stack.emulator) == {"buckets": [taken]}
    stack.delete()
    stack.history.append("creation rolled back: the output bucket's name was taken; nothing left")


def test_without_batches_the_function_may_write_its_log_and_no_more(stack: Stack) -> None:
    stack.require()
    iam = stack.emulator.client("iam")
    names = iam.list_role_policies(RoleName=stack.resources["FunctionRole"])["PolicyNames"]
    assert names == ["write-logs"]
    assert "buckets" not in left_behind(stack.emulator)


def test_an_update_that_fails_leaves_the_stack_as_it_was(stack: Stack, taken: str) -> None:
    stack.require()
    before = stack.resources
    with pytest.raises(DeploymentError):
        stack.deploy(Batch="yes")
    assert stack.state["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.resources == before
    assert left_behind(stack.emulator)["buckets"] == [taken]
    stack.start_function()
    client = stack.emulator.client("lambda")
    event = (ROOT / "events/compare-same.json").read_bytes()
    answer = client.invoke(FunctionName=before["FacenetFunction"], Payload=event)
    assert json.loads(answer["Payload"].read())["same"] is True
    stack.history.append("update rolled back: the function answers as before")


def test_the_function_cannot_read_a_bucket_that_nobody_gave_it(stack: Stack) -> None:
    stack.require()
    s3 = stack.emulator.client("s3")
    s3.create_bucket(
        Bucket="somebody-elses", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_object(Bucket="somebody-elses", Key="face.jpg", Body=b"x")
    role = stack.outputs["FunctionRoleArn"]
    taken_on = stack.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="look")
    keys = taken_on["Credentials"]
    key = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        stack.emulator.client("s3", key).get_object(Bucket="somebody-elses", Key="face.jpg")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
