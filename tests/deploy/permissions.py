"""Taking a single permission away from the deployed stack, and which test shows which."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.deploy.emulator import ROOT
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission

# The tests that showed a permission: what fails without it, or whom it lets in.
SHOWN: dict[Permission, str] = {}
# Where a complete run leaves them for mutate_template.py.
RECORD = ROOT / "build/test-deploy-shown.json"


def shown(permission: Permission) -> None:
    """The test that runs shows this permission."""
    SHOWN[permission] = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def reduced(document: Mapping[str, Any], permission: Permission) -> Mapping[str, Any]:
    """A policy without one action, and without a statement that has none left.

    An action that is not there is no error: a template without it (mutate_template.py) then fails
    by what the test finds, not by the test's own tool.
    """
    statements = [dict(each) for each in document["Statement"]]
    for statement in statements[permission.statement : permission.statement + 1]:
        actions = listed(statement["Action"])
        statement["Action"] = [each for each in actions if each != permission.action]
    return {**document, "Statement": [each for each in statements if each["Action"]]}


@dataclass(frozen=True)
class Policy:
    """A policy of the deployed stack: how to read it and how to write it."""

    read: Callable[[], str | Mapping[str, Any]]
    write: Callable[[str], Any]

    @contextlib.contextmanager
    def without(self, permission: Permission) -> Iterator[None]:
        """Takes one action away, where it is there, and gives it back at the end."""
        text = self.read()
        document = json.loads(text) if isinstance(text, str) else text
        self.write(json.dumps(reduced(document, permission)))
        try:
            yield
        finally:
            self.write(json.dumps(document))


def role_policy(stack: Stack, role: str, name: str) -> Policy:
    """An inline policy of a role of the stack."""
    iam, where = stack.emulator.client("iam"), {"RoleName": stack.resources[role]}
    return Policy(
        lambda: iam.get_role_policy(**where, PolicyName=name)["PolicyDocument"],
        lambda text: iam.put_role_policy(**where, PolicyName=name, PolicyDocument=text),
    )


def queue_policy(stack: Stack, queue: str) -> Policy:
    sqs, url = stack.emulator.client("sqs"), stack.resources[queue]

    def read() -> str:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        return str(found["Attributes"]["Policy"])

    def write(text: str) -> None:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})

    return Policy(read, write)


def bucket_policy(stack: Stack, bucket: str) -> Policy:
    s3, name = stack.emulator.client("s3"), stack.resources[bucket]

    def write(text: str) -> None:
        if json.loads(text)["Statement"]:
            s3.put_bucket_policy(Bucket=name, Policy=text)
        else:
            s3.delete_bucket_policy(Bucket=name)

    return Policy(lambda: str(s3.get_bucket_policy(Bucket=name)["Policy"]), write)


# The policies of the template by the logical id that holds them.
POLICIES: Mapping[str, Callable[[Stack], Policy]] = {
    "FunctionRole": lambda stack: role_policy(stack, "FunctionRole", "write-logs"),
    "ReadInput": lambda stack: role_policy(stack, "FunctionRole", "read-input"),
    "UseUploads": lambda stack: role_policy(stack, "FunctionRole", "use-uploads"),
    "KeepCollections": lambda stack: role_policy(stack, "FunctionRole", "keep-collections"),
    "SearchStorePolicy": lambda stack: bucket_policy(stack, "SearchStore"),
    "WriteOutput": lambda stack: role_policy(stack, "FunctionRole", "write-output"),
    "UseKey": lambda stack: role_policy(stack, "FunctionRole", "use-key"),
    "BackfillRole": lambda stack: role_policy(stack, "BackfillRole", "run-backfill"),
    "BackfillKey": lambda stack: role_policy(stack, "BackfillRole", "use-key"),
    "BatchOperationsRole": lambda stack: role_policy(stack, "BatchOperationsRole", "run-job"),
    "BatchOperationsKey": lambda stack: role_policy(stack, "BatchOperationsRole", "use-key"),
    "QueuePolicy": lambda stack: queue_policy(stack, "InputQueue"),
    "DeadLettersPolicy": lambda stack: queue_policy(stack, "DeadLetters"),
    "InputStorePolicy": lambda stack: bucket_policy(stack, "InputStore"),
    "UploadStorePolicy": lambda stack: bucket_policy(stack, "UploadStore"),
    "OutputStorePolicy": lambda stack: bucket_policy(stack, "OutputStore"),
}


def without(stack: Stack, permission: Permission) -> contextlib.AbstractContextManager[None]:
    """The stack without one permission, for the length of a `with`."""
    return POLICIES[permission.resource](stack).without(permission)


def trusts(role: Mapping[str, Any], service: str) -> bool:
    """Whether a role's trust policy lets the service take it on."""
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    return any(service in listed(statement["Principal"].get("Service")) for statement in statements)
