"""`sam deploy` of the template, as users deploy it, to the emulator."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.emulator import (
    ACCOUNT,
    REGION,
    ROOT,
    SAM,
    START_SECONDS,
    Emulator,
    function_command,
    process,
    until,
)

NAME = "facenet-lambda"
SAM_SECONDS = 1200  # ten on an idle machine
PROCESS = "a local process of this checkout"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/facenet"
# The line that `sam build` adds to the template that it writes.
MARK = "      PackageType: Image\n"
IMAGE = f"{MARK}      ImageUri: {REPOSITORY}:litert\n"


# Every parameter that a stage sets. sam keeps the last value of one that is not named.
DEFAULTS = {
    "Batch": "no",
    "Authorization": "IAM",
    "JwtIssuer": "",
    "JwtAudience": "",
    "AuthorizerFunctionArn": "none",
    "FunctionUrl": "no",
    "PublicPage": "no",
    "Uploads": "no",
    "Search": "no",
    "SearchIndex": "memory",
    "Rekognition": "no",
    "Heic": "no",
    "InputBucket": "",
    "InputPrefix": "",
    "OutputPrefix": "embeddings",
    "KmsKeyArn": "",
    "Timeout": "30",
    "Dashboard": "yes",
}


class DeploymentError(RuntimeError):
    """sam deploy failed; holds the end of what it printed."""


@dataclass
class Stack:
    """The deployed template. `history` says what was done to it, for the report.

    Args:
        image: The function's image where a Docker engine runs it; a local process stands in else.
    """

    emulator: Emulator
    folder: Path
    name: str = NAME
    image: str | None = None
    history: list[str] = field(default_factory=list)
    deployed: dict[str, str] | None = None
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def require(self, **parameters: str) -> None:
        """The stack as these parameters (and else the defaults) say, its function running."""
        if self.deployed != parameters:
            self.deploy(**parameters)
            self.start_function()

    def deploy(self, template: str | None = None, **parameters: str) -> None:
        """sam deploy with these parameters. Raises DeploymentError."""
        self.write_project(template or (ROOT / "template.yaml").read_text(encoding="utf-8"))
        command = ["deploy", "--template", "template.yaml", "--stack-name", self.name]
        command += ["--resolve-s3", "--image-repository", REPOSITORY, "--region", REGION]
        command += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset"]
        command += ["--parameter-overrides"]
        command += [
            f"{name}={value}" if value else f'{name}=""'
            for name, value in {**DEFAULTS, **parameters}.items()
        ]
        started = time.monotonic()
        self.deployed = None
        self.stop_function()
        self.sam(*command)
        self.deployed = parameters
        words = " ".join(f"{name}={value}" for name, value in parameters.items()) or "defaults"
        self.history.append(f"deployed {words} in {time.monotonic() - started:.1f} s")

    def delete(self) -> None:
        self.stop_function()
        self.sam("delete", "--stack-name", self.name, "--no-prompts", "--region", REGION)
        self.deployed = None
        self.history.append("deleted")

    def write_project(self, template: str) -> None:
        """What `sam build` leaves: the template with the image's address, and its files."""
        if template.count(MARK) != 1:
            raise DeploymentError("the template should hold one function from an image")
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "statemachine", self.folder / "statemachine", dirs_exist_ok=True)
        (self.folder / "template.yaml").write_text(template.replace(MARK, IMAGE), encoding="utf-8")

    def sam(self, *arguments: str) -> str:
        variables = {**os.environ, **self.emulator.environment(), "SAM_CLI_TELEMETRY": "0"}
        done = subprocess.run(
            [SAM, *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=SAM_SECONDS,
            check=False,
        )
        if done.returncode:
            raise DeploymentError((done.stdout + done.stderr)[-2000:])
        return done.stdout

    @property
    def host(self) -> str:
        """What the function is, for the report."""
        place = f"{self.image} under the runtime interface emulator" if self.image else PROCESS
        return f"{place}, with the template's role and environment"

    @property
    def state(self) -> Mapping[str, Any]:
        found = self.emulator.client("cloudformation").describe_stacks(StackName=self.name)
        state: Mapping[str, Any] = found["Stacks"][0]
        return state

    @property
    def outputs(self) -> dict[str, str]:
        return {row["OutputKey"]: row["OutputValue"] for row in self.state.get("Outputs", [])}

    @property
    def resources(self) -> dict[str, str]:
        """Logical id -> physical id."""
        client = self.emulator.client("cloudformation")
        rows = client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {
            row["LogicalResourceId"]: row["PhysicalResourceId"]
            for row in rows
            if not row["ResourceStatus"].startswith("DELETE")
        }

    def start_function(self) -> None:
        """The function's process, with the role and environment that the stack gave it."""
        name, port = self.resources["FacenetFunction"], self.emulator.function_port
        command = function_command(name, port, self.image)
        variables = self.emulator.environment()
        started = self.running.enter_context(process("function", command, variables))
        until(lambda: listens(port, started), START_SECONDS)

    def stop_function(self) -> None:
        self.running.close()


def listens(port: int, started: "subprocess.Popen[bytes]") -> bool:
    import socket

    if started.poll() is not None:
        raise DeploymentError("the function's process ended as it started")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
