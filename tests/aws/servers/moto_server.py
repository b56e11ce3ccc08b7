"""moto in server mode, in a process of its own, with signatures and IAM policies enforced."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from container.sam import free_port
from tests.aws.servers.radosgw import (
    Account,
    ServerUnavailableError,
    answers,
    wait_until,
)

# So many calls are let through unchecked, to make the first user with.
BOOTSTRAP_CALLS = 4
ADMINISTRATOR = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
)
REGION = "us-east-1"


@dataclass(frozen=True)
class MotoServer:
    """The running server and a user of it who may do everything."""

    port: int
    administrator: Account

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, account: Account | None = None) -> Any:
        """A boto3 client; by default the administrator's."""
        return make_client(self.url, service, account or self.administrator)

    def create_account(self, name: str, policy: str) -> Account:
        """Add a user with one IAM policy (JSON)."""
        return create_user(self.client("iam"), name, policy)


@contextmanager
def running() -> Iterator[MotoServer]:
    """The server for the length of a `with`.

    Raises:
        ServerUnavailableError: moto is not installed (group aws-test), or did not start.
    """
    port = free_port()
    with process(port, {"INITIAL_NO_AUTH_ACTION_COUNT": str(BOOTSTRAP_CALLS)}):
        yield MotoServer(port, bootstrap(f"http://127.0.0.1:{port}"))


@contextmanager
def process(port: int, variables: Mapping[str, str]) -> Iterator[None]:
    """moto on `port` until the end of a `with`. Raises ServerUnavailableError."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/moto-api/"
        wait_until(lambda: server.poll() is not None or answers(url), "moto")
        if server.poll() is not None:
            raise ServerUnavailableError("moto[server] is not installed (group aws-test)")
        yield
    finally:
        server.terminate()
        server.wait()


def bootstrap(url: str) -> Account:
    """The administrator, made with the calls that are not checked."""
    iam = make_client(url, "iam", Account("bootstrap", "bootstrap"))
    administrator = create_user(iam, "administrator", ADMINISTRATOR)
    iam.list_users()  # the fourth and last unchecked call
    return administrator


def create_user(iam: Any, name: str, policy: str) -> Account:
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    return Account(key["AccessKeyId"], key["SecretAccessKey"])


def make_client(url: str, service: str, account: Account) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        region_name=REGION,
    )
