"""The permissions of template.yaml, found in its text: a single one can be cut out of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tests.deploy.emulator import ROOT

TEMPLATE = ROOT / "template.yaml"
# No emulator that can be had has S3 Vectors, so these resources are deployed nowhere but on AWS.
NOT_DEPLOYED = "SearchesVectors"
# What says who may call, where it is no policy.
AUTHORIZATION = {
    "AWS::ApiGatewayV2::Route": "AuthorizationType",
    "AWS::Lambda::Url": "AuthType",
}
TRUST = "AssumeRolePolicyDocument"


@dataclass(frozen=True, order=True)
class Permission:
    """One action of one statement of one resource of the template."""

    resource: str
    statement: int
    action: str

    def __str__(self) -> str:
        return f"{self.resource}[{self.statement}] {self.action}"


@dataclass(frozen=True)
class Edit:
    """What stands between two offsets of the text, and what comes there instead."""

    begin: int
    end: int
    new: str = ""

    def apply(self, text: str) -> str:
        return text[: self.begin] + self.new + text[self.end :]


def all_permissions(*, deployed: bool = True) -> list[Permission]:
    """What template.yaml grants, what its Deny statements refuse, and who may call its routes.

    With `deployed` false those that no emulator takes; tests/contract/test_template.py holds them
    against the calls of the code.
    """
    conditions = {
        key.value: fields(resource).get("Condition") for key, resource in resources(read())
    }
    return [
        permission
        for permission in sorted(edits(read()))
        if (value_of(conditions[permission.resource.partition(".")[0]]) != NOT_DEPLOYED) is deployed
    ]


def without_permission(text: str, permission: Permission) -> str:
    """The template's text without this one permission; everything else stands as it did."""
    return edits(text)[permission].apply(text)


def routes(*conditions: str | None) -> dict[tuple[str, str], str]:
    """(method, path) of the routes that are made on these conditions (None: always); their ids."""
    return {
        tuple(fields(fields(resource)["Properties"])["RouteKey"].value.split()): key.value
        for key, resource in resources(read())
        if value_of(fields(resource)["Type"]) == "AWS::ApiGatewayV2::Route"
        and value_of(fields(resource).get("Condition")) in conditions
    }


# ------------------------------------------------------------------ the text
def read() -> str:
    return TEMPLATE.read_text(encoding="utf-8")


def resources(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Logical id and resource, as nodes, which know where in the text they stand."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    found: list[tuple[yaml.Node, yaml.Node]] = fields(root)["Resources"].value
    return found


def fields(node: yaml.Node) -> Mapping[str, yaml.Node]:
    return {key.value: value for key, value in node.value}


def value_of(node: yaml.Node | None) -> str | None:
    return None if node is None else str(node.value)


def edits(text: str) -> dict[Permission, Edit]:
    """What takes each permission out of the text."""
    found = {}
    for key, resource in resources(text):
        kind, whole = fields(resource)["Type"].value, lines(text, key, resource)
        properties = fields(resource)["Properties"]
        if kind == "AWS::Lambda::Permission":
            action = fields(properties)["Action"].value
            found[Permission(key.value, 0, action)] = whole
        for name, value in properties.value:
            if name.value == AUTHORIZATION.get(kind):
                found[Permission(key.value, 0, name.value)] = lines(text, name, value)
        for holder, statements in statement_lists(properties):
            empty = Edit(*span(statements), "[]") if holder == TRUST else whole
            owner = f"{key.value}.{holder}" if holder == TRUST else key.value
            found |= of_statements(text, owner, statements, empty)
    return found


def statement_lists(properties: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """The statements of each policy of a resource, by the property that holds it."""
    for name, value in properties.value:
        if name.value in (TRUST, "PolicyDocument", "Policy"):
            yield name.value, fields(value)["Statement"]
        elif name.value == "Policies":
            (policy,) = value.value  # statements are numbered by resource
            yield name.value, fields(fields(policy)["PolicyDocument"])["Statement"]


def of_statements(
    text: str, owner: str, statements: yaml.Node, empty: Edit
) -> Iterator[tuple[Permission, Edit]]:
    """Takes an action from its list; the statement with its last; `empty` is for the last one."""
    for number, statement in enumerate(statements.value):
        gone = lines(text, statement, statement) if len(statements.value) > 1 else empty
        actions = fields(statement)["Action"]
        listed = actions.value if isinstance(actions, yaml.SequenceNode) else [actions]
        for action in listed:
            rest = ", ".join(each.value for each in listed if each is not action)
            edit = Edit(*span(actions), f"[{rest}]") if rest else gone
            yield Permission(owner, number, action.value), edit


def span(node: yaml.Node) -> tuple[int, int]:
    """Where a node begins and ends; a block ends with its last value."""
    return node.start_mark.index, end(node)


def end(node: yaml.Node) -> int:
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return end(last[1] if isinstance(last, tuple) else last)


def lines(text: str, first: yaml.Node, last: yaml.Node) -> Edit:
    """The whole lines from one node to the end of another."""
    return Edit(text.rindex("\n", 0, first.start_mark.index) + 1, text.index("\n", end(last)) + 1)
