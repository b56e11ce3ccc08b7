"""Taking a permission away in a test, and what is expected without it."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest

from tests.deploy.callers import allow, make_user
from tests.deploy.emulator import REGION
from tests.deploy.permissions import shown, without
from tests.deploy.report import REPORT, Broken
from tests.deploy.stack import Stack
from tests.deploy.template_text import Permission

EFFECT, EVALUATED = "effect", "evaluated"


@contextlib.contextmanager
def broken(
    stack: Stack, where: Permission, effect: str, healed: str, how: str = EFFECT
) -> Iterator[None]:
    """The stack without one permission; a row of the table once the test has gone through."""
    with without(stack, where):
        yield
    shown(where)
    REPORT.broken.append(Broken(str(where), how, effect, healed))


def check_deny(stack: Stack, where: Permission, call: Any) -> None:
    """A Deny is the other way round: without it the call succeeds."""
    refuses(call)
    with broken(stack, where, "plain HTTP is answered", "plain HTTP is refused"):
        call()
    refuses(call)


def refuses(call: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call()
    assert "AccessDenied" in refused.value.response["Error"]["Code"]


def plain(stack: Stack, service: str, action: str, *, tls: bool = False) -> Any:
    """A client, over plain HTTP by default, of a user who may do everything with the service."""
    user = make_user(stack.emulator, f"plain-{uuid.uuid4().hex[:6]}")
    allow(stack.emulator, user, action)
    if tls:
        return stack.emulator.client(service, (user.key, user.secret))
    return boto3.client(
        service,
        endpoint_url=f"http://localhost:{stack.emulator.plain_port}",
        region_name=REGION,
        aws_access_key_id=user.key,
        aws_secret_access_key=user.secret,
    )
