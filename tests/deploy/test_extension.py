"""Each part of ministack_extension.py fills a gap: plain ministack shows the gap, ours does not.

Where a test of plain ministack fails after an update, it has learned, and the part can go.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest

from tests.deploy.emulator import (
    ACCOUNT,
    REGION,
    Emulator,
    EmulatorError,
    policy,
    running,
    until,
)
from tests.needs import not_here


@pytest.fixture(scope="module", params=[True, False], ids=["extended", "plain"])
def either(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Emulator, bool]]:
    folder = tmp_path_factory.mktemp("either")
    try:
        with running(folder, extended=request.param) as emulator:
            yield emulator, request.param
    except EmulatorError as reason:
        not_here(f"no emulator: {reason}")


def make_bucket(emulator: Emulator) -> tuple[Any, str]:
    s3, name = emulator.client("s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3, name


def make_role(emulator: Emulator, *actions: str) -> str:
    iam, name = emulator.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}}
    document = policy({**trust, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = policy({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allowed)
    return str(role)


def test_role_policies(either: tuple[Emulator, bool]) -> None:
    emulator, extended = either
    client, name = emulator.client("cloudformation"), f"stack-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    document = json.loads(policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": json.loads(policy(trust))},
        },
        "Extra": {
            "Type": "AWS::IAM::RolePolicy",
            "Properties": {
                "RoleName": {"Ref": "Role"},
                "PolicyName": "extra",
                "PolicyDocument": document,
            },
        },
    }
    with contextlib.suppress(botocore.exceptions.ClientError):
        client.create_stack(
            StackName=name,
            TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_IAM"],
        )
        time.sleep(2)
    roles = [row["RoleName"] for row in emulator.client("iam").list_roles()["Roles"]]
    ours = [role for role in roles if role.startswith(name)]
    policies = [
        emulator.client("iam").list_role_policies(RoleName=role)["PolicyNames"] for role in ours
    ]
    assert (policies == [["extra"]]) is extended


def machine(bucket: str) -> dict[str, Any]:
    """A Distributed Map over a listing that does nothing with its batches."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Nothing",
        "States": {"Nothing": {"Type": "Pass", "End": True}},
    }
    state = {
        "Type": "Map",
        "Label": "Map",
        "MaxConcurrency": 2,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket": bucket, "Prefix": "in/"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"bucket": bucket}},
        "ItemProcessor": processor,
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": bucket, "Prefix": "out"},
        },
        "End": True,
    }
    return {"StartAt": "Map", "States": {"Map": state}}


def run(emulator: Emulator, bucket: str, role: str) -> str:
    client = emulator.client("stepfunctions")
    made = client.create_state_machine(
        name=f"m-{uuid.uuid4().hex[:8]}", definition=json.dumps(machine(bucket)), roleArn=role
    )
    started = client.start_execution(stateMachineArn=made["stateMachineArn"], input="{}")

    def status() -> str:
        return str(client.describe_execution(executionArn=started["executionArn"])["status"])

    until(lambda: status() != "RUNNING", 20)
    return status()


def test_batches_and_their_results_are_written(either: tuple[Emulator, bool]) -> None:
    """Plain ministack ignores both in silence, and says SUCCEEDED."""
    emulator, extended = either
    s3, bucket = make_bucket(emulator)
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"in/{number}", Body=b"x")
    assert run(emulator, bucket, make_role(emulator, "s3:*", "states:*")) == "SUCCEEDED"
    keys = [
        row["Key"] for row in s3.list_objects_v2(Bucket=bucket, Prefix="out").get("Contents", [])
    ]
    assert bool(keys) is extended
    for key in [key for key in keys if key.endswith("SUCCEEDED_0.json")]:
        rows = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        inputs = [json.loads(row["Input"]) for row in rows]
        assert sorted(len(each["Items"]) for each in inputs) == [1, 2]
        assert all(each["BatchInput"] == {"bucket": bucket} for each in inputs)


def test_a_state_machine_needs_its_role(either: tuple[Emulator, bool]) -> None:
    emulator, extended = either
    s3, bucket = make_bucket(emulator)
    s3.put_object(Bucket=bucket, Key="in/1", Body=b"x")
    status = run(emulator, bucket, make_role(emulator, "states:*"))
    assert (status == "FAILED") is extended


def make_queue(emulator: Emulator) -> tuple[Any, str, str]:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    names = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sqs, url, names["QueueArn"]


def test_messages_are_moved_back(either: tuple[Emulator, bool]) -> None:
    emulator, extended = either
    sqs, source, source_arn = make_queue(emulator)
    _sqs, target, target_arn = make_queue(emulator)
    sqs.send_message(QueueUrl=source, MessageBody="letter")
    with contextlib.suppress(botocore.exceptions.ClientError):
        sqs.start_message_move_task(SourceArn=source_arn, DestinationArn=target_arn)
    moved = sqs.receive_message(QueueUrl=target).get("Messages", [])
    assert ([message["Body"] for message in moved] == ["letter"]) is extended


def test_a_rule_needs_the_queues_leave(either: tuple[Emulator, bool]) -> None:
    emulator, extended = either
    sqs, url, arn = make_queue(emulator)
    events, name = emulator.client("events"), f"rule-{uuid.uuid4().hex[:8]}"
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    events.put_events(Entries=[{"Source": name, "DetailType": "x", "Detail": "{}"}])
    time.sleep(0.5)
    found = sqs.receive_message(QueueUrl=url).get("Messages", [])
    assert bool(found) is not extended


def test_a_bucket_of_another_owner_is_refused(either: tuple[Emulator, bool]) -> None:
    emulator, extended = either
    s3, bucket = make_bucket(emulator)
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    s3.put_object(**put, ExpectedBucketOwner=ACCOUNT)
    refused = False
    try:
        s3.put_object(**put, ExpectedBucketOwner="210987654321")
    except botocore.exceptions.ClientError as failure:
        refused = failure.response["Error"]["Code"] == "AccessDenied"
    assert refused is extended
