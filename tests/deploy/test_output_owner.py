"""A bucket of the old name that belongs to somebody else receives no embedding."""

import uuid
from collections.abc import Iterator

import pytest

from tests.deploy.emulator import REGION, until
from tests.deploy.report import REPORT
from tests.deploy.test_backfill import empty
from tests.deploy.test_permissions import redrive_until
from tests.deploy.workload import Workload

STRANGER = "210987654321"  # an account id is its root's key in the emulator
OPEN = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
"Action": "s3:*", "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}]}"""


@pytest.fixture
def squatted(batch: Workload) -> Iterator[str]:
    """The output bucket was deleted; another account has made one of its name, open to all."""
    name, where = batch.outputs, {"LocationConstraint": REGION}
    ours, theirs = batch.s3, batch.stack.emulator.client("s3", (STRANGER, "secret"))
    empty(batch, name)
    ours.delete_bucket(Bucket=name)
    theirs.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    blocked = dict.fromkeys(names, False)
    theirs.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked)
    theirs.put_bucket_policy(Bucket=name, Policy=OPEN % (name, name))
    yield name
    theirs.delete_bucket(Bucket=name)  # fails where it is not empty
    ours.create_bucket(Bucket=name, CreateBucketConfiguration=where)


def test_results_wait_for_a_bucket_of_our_own(batch: Workload, squatted: str) -> None:
    batch.hide_briefly()
    batch.purge()
    key = f"squatted/{uuid.uuid4().hex[:8]}.jpg"
    batch.put(key)
    until(lambda: batch.dead() == 1, 60)
    theirs = batch.stack.emulator.client("s3", (STRANGER, "secret"))
    # A caller without the owner's account id is let in, so it is the id that keeps results out.
    theirs.put_object(Bucket=squatted, Key="open", Body=b"x")
    batch.s3.get_object(Bucket=squatted, Key="open")
    theirs.delete_object(Bucket=squatted, Key="open")
    assert theirs.list_objects_v2(Bucket=squatted).get("KeyCount", 0) == 0
    REPORT.calls.append("output bucket made again by another account: nothing written there")


def test_they_are_written_once_it_is_there_again(batch: Workload) -> None:
    redrive_until(batch, lambda: batch.keys(f"{batch.prefix}/{batch.inputs}/squatted/"))
