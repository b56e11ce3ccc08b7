"""Every permission of the template, and a way to take a single one away from the deployed stack."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.emulator import ROOT
from tests.deploy.stack import Stack


@dataclass(frozen=True, order=True)
class Permission:
    """One action of one statement of one resource of the template."""

    resource: str
    statement: int
    action: str

    def __str__(self) -> str:
        return f"{self.resource}[{self.statement}] {self.action}"


# What the tests have taken away so far.
SHOWN: set[Permission] = set()


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as {tag: value}."""


def read_tag(loader: yaml.SafeLoader, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: node.value}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", read_tag)


# No emulator that can be had has S3 Vectors, so these resources are deployed nowhere but on AWS.
NOT_DEPLOYED = "SearchesVectors"


def all_permissions(*, deployed: bool = True) -> list[Permission]:
    """What template.yaml grants, and what its Deny statements refuse.

    With `deployed` false those that no emulator takes; tests/contract/test_template.py holds them
    against the calls of the code.
    """
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
    return sorted(
        Permission(name, number, action)
        for name, resource in template["Resources"].items()
        if (resource.get("Condition") != NOT_DEPLOYED) is deployed
        for number, statement in enumerate(statements_of(resource))
        for action in listed(statement["Action"])
    )


def statements_of(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::Lambda::Permission":
        return [properties]
    documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
    documents += [properties[name] for name in ("PolicyDocument", "Policy") if name in properties]
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Policy:
    """A policy of the deployed stack: how to read it and how to write it."""

    read: Callable[[], str | Mapping[str, Any]]
    write: Callable[[str], Any]

    @contextlib.contextmanager
    def without(self, permission: Permission) -> Iterator[None]:
        """Takes one action away, and gives it back at the end."""
        text = self.read()
        document = json.loads(text) if isinstance(text, str) else text
        reduced = json.loads(json.dumps(document))
        statement = reduced["Statement"][permission.statement]
        actions = listed(statement["Action"])
        actions.remove(permission.action)
        statement["Action"] = actions
        if not actions:
            reduced["Statement"].remove(statement)
        self.write(json.dumps(reduced))
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
