"""Runs the image under the runtime interface emulator, bounded as Lambda bounds it.

Read-only root, /tmp alone writable, no capabilities, a user of no name, memory and CPU as sold
together, and a network that leads nowhere but to this host.
"""

from __future__ import annotations

import http.client
import json
import platform
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.engine import docker
from container.images import entry_point
from container.shell import ROOT, SAM, TOOLS, CommandError

# The emulator speaks for the Lambda service; awslambdaric polls it from inside.
EMULATOR = "/opt/emulator"
ENDPOINT = "/2015-03-31/functions/function/invocations"
PORT = 8080
NETWORK = "facenet-nowhere"
# Nothing in the image may depend on who runs it; Lambda's own users look like this one.
USER = "993:990"
START_SECONDS = 30.0
EVENTS = tuple(sorted(path.stem for path in (ROOT / "events").glob("*.json")))


@dataclass(frozen=True)
class Size:
    """Memory in megabytes and the share of CPUs that Lambda gives with it."""

    memory: int = 1769
    cpus: float = 1.0


SIZES = (Size(1769, 1.0), Size(3008, 1.7))


@dataclass(frozen=True)
class Reply:
    """What the emulator answered: 200 covers errors of the handler and timeouts too."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises json.JSONDecodeError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class LambdaContainer:
    """A running function. `invoke` one event at a time: the emulator has one place."""

    name: str
    address: str
    size: Size = field(default_factory=Size)

    def invoke(self, event: Any, *, timeout: float = 120) -> Reply:
        """Sends an event (bytes as they are, anything else as JSON) and waits for the answer."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        connection = http.client.HTTPConnection(self.address, PORT, timeout=timeout)
        try:
            connection.request("POST", ENDPOINT, body)
            response = connection.getresponse()
            return Reply(response.status, response.read())
        finally:
            connection.close()

    def logs(self) -> str:
        """Everything that the function and the emulator have printed."""
        return docker("logs", self.name, merged=True)

    def peak_memory(self) -> int:
        """Bytes: the highest that the container's memory group has seen."""
        for path in (
            "/sys/fs/cgroup/memory.peak",
            "/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
        ):
            try:
                return int(docker("exec", self.name, "cat", path))
            except CommandError:
                continue
        return 0

    def memory(self) -> int:
        """Bytes that the container's memory group holds now, without the page cache."""
        for path, name in (
            ("/sys/fs/cgroup/memory.stat", "anon"),
            ("/sys/fs/cgroup/memory/memory.stat", "rss"),
        ):
            try:
                text = docker("exec", self.name, "cat", path)
            except CommandError:
                continue
            found = re.search(rf"^{name} (\d+)$", text, re.MULTILINE)
            if found:
                return int(found[1])
        return 0

    def remove(self) -> None:
        """Stops the container and removes it."""
        docker("rm", "--force", "--volumes", self.name)


def start(
    image: str,
    *,
    size: Size | None = None,
    timeout: int = 60,
    environment: Mapping[str, str] | None = None,
    mounts: Mapping[Path, str] | None = None,
    command: Sequence[str] = (),
) -> LambdaContainer:
    """Starts `image` under the emulator and waits until the emulator listens.

    The function itself starts with the first invocation, as the emulator does it.

    Args:
        image: Tag of the image.
        size: Memory and CPUs.
        timeout: The function's timeout in seconds.
        environment: Variables of the function.
        mounts: Host path -> path in the container, read-only.
        command: What the emulator starts; the image's own entry point by default.

    Raises:
        CommandError: the engine refused, or the emulator did not start.
    """
    size = size or Size()
    ensure_network()
    name = f"facenet-{uuid.uuid4().hex[:12]}"
    variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(size.memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_REGION": "eu-west-1",
        **(environment or {}),
    }
    arguments = ["run", "--detach", "--name", name, "--network", NETWORK, "--user", USER]
    arguments += ["--read-only", "--tmpfs", "/tmp:rw,size=512m,mode=1777"]  # noqa: S108
    arguments += [f"--memory={size.memory}m", f"--memory-swap={size.memory}m"]
    arguments += [f"--cpus={size.cpus}", "--pids-limit", "1024"]
    arguments += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    for key, value in variables.items():
        arguments += ["--env", f"{key}={value}"]
    for source, target in {emulator(): EMULATOR, **(mounts or {})}.items():
        arguments += ["--volume", f"{source}:{target}:ro"]
    docker(*arguments, "--entrypoint", EMULATOR, image, *(command or entry_point(image)))
    container = LambdaContainer(name, address_of(name), size)
    _wait(container)
    return container


def emulator() -> Path:
    """The runtime interface emulator, which ships inside aws-sam-cli's wheel.

    Raises:
        CommandError: the environment of SAM is not there.
    """
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packages = "lib/python3*/site-packages"
    found = sorted(SAM.glob(f"{packages}/samcli/local/rapid/aws-lambda-rie-{machine}"))
    if not found:
        raise CommandError(f"no emulator: make {TOOLS}/sam/.stamp first")
    found[0].chmod(0o755)
    return found[0]


def ensure_network() -> None:
    """A network without a way out; the host itself can be reached by nobody on it."""
    if NETWORK not in docker("network", "ls", "--format", "{{.Name}}").split():
        docker("network", "create", "--internal", NETWORK)


def address_of(name: str) -> str:
    """The container's address on its network."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", "--format", form, name).strip()


def _wait(container: LambdaContainer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection(container.address, PORT, timeout=5)
        try:
            connection.connect()
            return
        except OSError as refused:
            if time.monotonic() > deadline:
                tail = container.logs()[-2000:]
                container.remove()
                raise CommandError(f"the emulator does not listen:\n{tail}") from refused
            time.sleep(0.2)
        finally:
            connection.close()
