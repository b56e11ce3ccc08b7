"""Reads template.yaml, and rewrites its API into the form that SAM emulates in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from image.commands import BUILD, ROOT

TEMPLATE = ROOT / "template.yaml"
BUILT = ROOT / ".aws-sam/build/template.yaml"
LOCAL = BUILD / "local/template.json"
# The tags that are not simply `Fn::` and their name.
SHORT = {"Ref": "Ref", "Condition": "Condition"}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's short forms (`!Ref`, `!GetAtt`), which it turns into long ones."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {SHORT.get(suffix, f"Fn::{suffix}"): value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_template(path: Path = TEMPLATE) -> dict[str, Any]:
    """A CloudFormation template with every intrinsic function in its long form."""
    template = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    assert isinstance(template, dict)
    return template


def write_local_template(source: Path = BUILT, target: Path = LOCAL) -> Path:
    """The built template for `sam local start-api`, its routes moved into an OpenAPI body.

    On AWS an HTTP API hands on a body that is no text as base64. SAM does so only where an OpenAPI
    body lists the media types, and decodes a JPEG as UTF-8 otherwise. Deployed is the template as
    it stands; this copy is for this machine.
    """
    template = read_template(source)
    resources = template["Resources"]
    integration = resources["HttpIntegration"]["Properties"]
    paths: dict[str, Any] = {}
    for name in [name for name, value in resources.items() if _is_route(value)]:
        method, path = resources.pop(name)["Properties"]["RouteKey"].split()
        paths.setdefault(path, {})[method.lower()] = {
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy",
                "httpMethod": "POST",
                "uri": integration["IntegrationUri"],
                "payloadFormatVersion": integration["PayloadFormatVersion"],
            }
        }
    resources["HttpApi"]["Properties"]["Body"] = {
        "openapi": "3.0.1",
        "info": {"title": "local", "version": "1"},
        "paths": paths,
        "x-amazon-apigateway-binary-media-types": ["*/*"],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(template, indent=1))
    return target


def _is_route(resource: dict[str, Any]) -> bool:
    return bool(resource["Type"] == "AWS::ApiGatewayV2::Route")
