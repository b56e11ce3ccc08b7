"""What is soaked: the container under Lambda's emulator, or the local server."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.soak.requests import Sent
from fixtures import lambda_container
from image import build
from image.commands import CommandError, docker, require_engine

ROOT = Path(__file__).resolve().parents[2]
# Addresses that nothing listens on: whatever wants S3 fails at once.
ALONE = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Subject(Protocol):
    """Answers requests and tells how much memory it holds."""

    name: str

    def send(self, sent: Sent) -> tuple[int, bytes]:
        """Status and body. Raises OSError and http.client.HTTPException where none comes."""

    def memory(self) -> float:
        """Megabytes now."""

    def peak(self) -> float:
        """Megabytes at the most."""


@dataclass
class Server:
    """`python -m tools.serve` in a process of its own, on loopback."""

    process: subprocess.Popen[str]
    port: int
    name: str = "local server"

    def send(self, sent: Sent) -> tuple[int, bytes]:
        """One connection for each request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"content-type": sent.content_type} if sent.content_type else {}
        try:
            connection.request(sent.method, sent.path, sent.body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def memory(self) -> float:
        """Resident memory of the process."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """The most that was resident."""
        return self._status("VmHWM")

    def _status(self, field: str) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024 / 1e6 if found else 0.0


@dataclass
class Container:
    """The image under the emulator, with Lambda's bounds."""

    container: lambda_container.LambdaContainer
    name: str = "container under the emulator, 1,769 MB"

    def send(self, sent: Sent) -> tuple[int, bytes]:
        """One invocation."""
        answer = self.container.invoke(sent.event()).json()
        return int(answer.get("statusCode", 0)), json.dumps(answer.get("body", answer)).encode()

    def memory(self) -> float:
        """Memory of the container's group without the page cache."""
        return self.container.memory() / 1e6

    def peak(self) -> float:
        """The most that the group held, page cache included."""
        return self.container.peak_memory() / 1e6


@contextmanager
def start_server() -> Iterator[Server]:
    """The local server, with the function loaded."""
    with tempfile.TemporaryDirectory() as collections:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.serve", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, **ALONE, "FACENET_COLLECTIONS": collections},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield Server(process, _port(process))
        finally:
            process.send_signal(signal.SIGTERM)  # SIGINT may be ignored
            process.wait(timeout=30)


def _port(process: subprocess.Popen[str]) -> int:
    """The port that it says it has; what it logs from then on is read away."""
    import threading

    assert process.stdout
    for line in process.stdout:
        found = re.search(r"answers on http://127\.0\.0\.1:(\d+)/", line)
        if found:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return int(found[1])
    raise CommandError("the server stopped before it answered")


@contextmanager
def start_container() -> Iterator[Container]:
    """The built image. Raises EngineUnavailableError, and CommandError where there is no image."""
    require_engine()
    tag = f"{build.NAME}:litert"
    if not docker("image", "ls", "--quiet", tag).strip():
        raise CommandError(f"there is no image {tag}: build it with `make image`")
    # In the one folder that a function on Lambda may write to.
    settings = {**ALONE, "FACENET_COLLECTIONS": "/tmp/collections"}
    container = lambda_container.start(tag, environment=settings)
    try:
        yield Container(container)
    finally:
        container.remove()
