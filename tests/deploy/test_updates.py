"""From each way to deploy to the next, and down again: what must stay stays, nothing else does."""

import json
import uuid
from dataclasses import astuple

import pytest

from tests.deploy.breaking import EVALUATED, broken
from tests.deploy.callers import Endpoint
from tests.deploy.emulator import REGION, until
from tests.deploy.permissions import RECORD, SHOWN, shown
from tests.deploy.report import REPORT, Broken
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission, all_permissions
from tests.deploy.test_creation import left_behind
from tests.deploy.test_permissions import may, redrive_until
from tests.deploy.workload import Workload

EXISTING = "photo-archive"


@pytest.fixture(scope="module")
def existing(stack: Stack) -> Workload:
    """Batch on a bucket that was there before, encrypted with a key of the account, by prefix."""
    stack.require(Batch="yes")
    client = stack.emulator.client
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    s3 = client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=EXISTING, CreateBucketConfiguration=where)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=EXISTING,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]
        },
    )
    s3.put_bucket_notification_configuration(
        Bucket=EXISTING, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    prefixes = {"InputPrefix": "portraits/", "OutputPrefix": "faces/v1"}
    stack.require(Batch="yes", InputBucket=EXISTING, KmsKeyArn=key, **prefixes)
    batch = Workload(stack)
    batch.hide_briefly()
    return batch


def test_an_existing_bucket_is_embedded_below_its_prefix(existing: Workload) -> None:
    existing.put("elsewhere/a.jpg")
    existing.put("portraits/a.jpg")
    assert existing.result_of("portraits/a.jpg")["faces"]
    assert not existing.results_of("elsewhere/a.jpg")
    assert existing.keys("faces/v1/photo-archive/portraits/")


def test_the_bucket_that_the_stack_had_made_stays(existing: Workload) -> None:
    assert f"{existing.stack.name}-input-" in str(left_behind(existing.stack.emulator)["buckets"])


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_without_its_key_objects_wait_for_it(existing: Workload, action: str) -> None:
    key, where = f"portraits/{uuid.uuid4().hex}.jpg", Permission("UseKey", 0, action)
    existing.purge()
    with broken(existing.stack, where, "object: dead letter", "redriven: the result"):
        existing.put(key)
        until(lambda: existing.dead() == 1, 60)
        assert not existing.results_of(key)
    redrive_until(existing, lambda: existing.results_of(key))


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
@pytest.mark.parametrize("resource", ["BackfillKey", "BatchOperationsKey"])
def test_the_engines_may_use_the_key(existing: Workload, resource: str, action: str) -> None:
    stack, where = existing.stack, Permission(resource, 0, action)
    role, key = resource.replace("Key", "Role"), (stack.deployed or {})["KmsKeyArn"]
    assert may(stack, role, action, key)
    with broken(stack, where, "the policy refuses", "the policy allows", EVALUATED):
        assert not may(stack, role, action, key)


# ------------------------------------------------------------------ the public page
@pytest.fixture(scope="module")
def page(stack: Stack) -> Endpoint:
    stack.require(PublicPage="yes")
    return Endpoint(stack.emulator, stack.outputs["Url"], "lambda")


def test_when_batch_becomes_no_the_results_stay_and_the_queue_goes(
    stack: Stack, page: Endpoint
) -> None:
    assert "InputQueue" not in stack.resources
    output = next(name for name in left_behind(stack.emulator)["buckets"] if "-output-" in name)
    kept = stack.emulator.client("s3").list_objects_v2(Bucket=output, Prefix="faces/v1/")
    assert kept["KeyCount"] > 0


PUBLIC = {
    "PublicUrlPermission": "lambda:InvokeFunctionUrl",
    "PublicInvokePermission": "lambda:InvokeFunction",
}


@pytest.mark.parametrize("resource", PUBLIC)
def test_the_public_page_needs_both_permissions(
    stack: Stack, page: Endpoint, resource: str
) -> None:
    client, function = stack.emulator.client("lambda"), stack.resources["FacenetFunction"]
    assert page.call("GET", "/").status == 200
    statements = json.loads(client.get_policy(FunctionName=function)["Policy"])["Statement"]
    (statement,) = [
        each
        for each in statements
        if each["Principal"] == "*" and each["Action"] == PUBLIC[resource]
    ]
    client.remove_permission(FunctionName=function, StatementId=statement["Sid"])
    assert page.call("GET", "/").status == 403
    url = resource == "PublicUrlPermission"
    condition = {"FunctionUrlAuthType": "NONE"} if url else {"InvokedViaFunctionUrl": True}
    client.add_permission(
        FunctionName=function,
        StatementId=statement["Sid"],
        Action=statement["Action"],
        Principal="*",
        **condition,
    )
    assert page.call("GET", "/").status == 200
    shown(Permission(resource, 0, PUBLIC[resource]))
    REPORT.broken.append(Broken(resource, "effect", "the page answers 403", "the page is there"))


# ------------------------------------------------------------------ down
def test_deleting_the_stack_leaves_the_buckets_and_nothing_else(
    stack: Stack, emulator: object
) -> None:
    stack.require()
    stack.delete()
    assert list(left_behind(stack.emulator)) == ["buckets"]
    names = left_behind(stack.emulator)["buckets"]
    assert [name.split("-")[2] for name in names] == [
        "input",
        "output",
        "search",
        "uploads",
    ]
    stack.history.append(f"what stays: {', '.join(names)}, and the user's own bucket")


def test_every_permission_of_the_template_was_taken_away(request: pytest.FixtureRequest) -> None:
    """A new permission needs a row of its own; one that goes takes its row with it."""
    if len(request.session.items) < 60:
        pytest.skip("only a part of the tests runs")
    assert sorted(SHOWN) == all_permissions()
    RECORD.write_text(json.dumps([[*astuple(where), test] for where, test in SHOWN.items()]))
