"""ministack with our extension, in a process and an environment of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from fixtures.ports import free_port
from tests.process_logs import LOGS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / os.environ.get("TOOLS", "build/venv")
MINISTACK = TOOLS / "deploy/bin/python"
SAM = TOOLS / "sam/bin/sam"
EXTENSION = Path(__file__).with_name("ministack_extension.py")
ACCOUNT = "123456789012"
REGION = "eu-west-1"
START_SECONDS = 180  # seconds on an idle machine


class EmulatorError(RuntimeError):
    """The emulator is not installed, or did not start."""


@dataclass(frozen=True)
class Emulator:
    """A running ministack.

    Args:
        port: Where its TLS gateway listens, on loopback.
        plain_port: The same without TLS.
        function_port: Where it calls a function that comes from an image.
        folder: Its scratch files; the certificate is among them.
    """

    port: int
    plain_port: int
    function_port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "ministack-tls/server.crt"

    def environment(self, key: tuple[str, str] = ("test", "test")) -> dict[str, str]:
        """What an AWS client needs to talk to it; `test` is the account's root."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key[0],
            "AWS_SECRET_ACCESS_KEY": key[1],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, key: tuple[str, ...] = ("test", "test")) -> Any:
        """A boto3 client with an access key: id, secret and, for a role, the session's token."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            verify=str(self.certificate),
            region_name=REGION,
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            aws_session_token=key[2] if len(key) > 2 else None,
        )


@contextmanager
def running(folder: Path, *, extended: bool = True) -> Iterator[Emulator]:
    """The emulator for the length of a `with`, or plain ministack. Raises EmulatorError."""
    if not MINISTACK.exists():
        raise EmulatorError(f"{MINISTACK} is missing: make test-deploy installs it")
    emulator = Emulator(free_port(), free_port(), free_port(), folder)
    program = [str(EXTENSION)] if extended else ["-m", "ministack"]
    with process("ministack", [str(MINISTACK), *program], variables(emulator)) as started:
        try:
            until(lambda: answers(emulator, started), START_SECONDS)
        except TimeoutError as late:
            raise EmulatorError("ministack does not listen; see its log") from late
        yield emulator


def variables(emulator: Emulator) -> dict[str, str]:
    """AUTH checks signatures and policies; TLS because the buckets refuse anything else."""
    return {
        "TMPDIR": str(emulator.folder),
        "STATE_DIR": str(emulator.folder / "state"),
        "S3_DATA_DIR": str(emulator.folder / "s3"),
        "GATEWAY_PORT": str(emulator.port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "MINISTACK_PLAIN_PORT": str(emulator.plain_port),
        "MINISTACK_FUNCTION": f"http://127.0.0.1:{emulator.function_port}/",
        "AUTH": "true",
        "USE_SSL": "1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Retries of the state machine wait for seconds on AWS, for tenths here.
        "SFN_WAIT_SCALE": "0.02",
    }


def answers(emulator: Emulator, started: "subprocess.Popen[bytes]") -> bool:
    if started.poll() is not None:
        raise EmulatorError("ministack ended as it started; see its log")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", emulator.port)):
            return False
    return emulator.certificate.exists()


@contextmanager
def process(
    name: str, command: list[str], more: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process, ended with the `with`; its output is kept and read as a log."""
    environment = {**os.environ, **more, "PYTHONUNBUFFERED": "1"}
    log = LOGS.open(name) if name == "function" else open(log_path(name), "ab")  # noqa: SIM115
    with log:
        started = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(15)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def log_path(name: str) -> Path:
    """The emulator's own log names objects, as it may; the function's is read line by line."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    return folder / f"test-deploy-{name}.log"


def function_command(name: str, port: int, image: str | None) -> list[str]:
    command = [sys.executable, "-m", "tests.deploy.function_process", name, str(port)]
    return [*command, image] if image else command


def until(condition: Callable[[], Any], seconds: float, pause: float = 0.1) -> Any:
    """The first true value of `condition`. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{condition} did not come true within {seconds} s")
        time.sleep(pause)


def policy(*statements: Mapping[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
