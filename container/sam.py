"""The SAM command line against the images of this machine: nothing is pulled, nobody is called."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from container.shell import BUILD, ROOT, SAM, CommandError, complete
from container.template import write_local_template

COMMAND = SAM / "bin/sam"
# SAM wants credentials to be there; none is sent anywhere.
ENVIRONMENT = {
    "SAM_CLI_TELEMETRY": "0",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
START_SECONDS = 180.0
# How fast this machine is, busy as it may be, is not what a local call should fail for.
PATIENT = ("--parameter-overrides", "Timeout=120")
FUNCTION = "FacenetFunction"


def sam(*arguments: str, timeout: float = 900) -> str:
    """Standard output of one sam command, run in the repository's root.

    Raises:
        CommandError: it failed.
    """
    return complete([str(COMMAND), *arguments], env=ENVIRONMENT, timeout=timeout).stdout


def invoke(event: Path) -> str:
    """What `sam local invoke` prints for an event file: the answer as JSON.

    Raises:
        CommandError: it failed, or printed no answer, as where the function ran out of time or
            cannot be reached; the message holds the end of what SAM and the function logged.
    """
    command = [str(COMMAND), "local", "invoke", FUNCTION, "--event", str(event)]
    done = complete([*command, "--skip-pull-image", *PATIENT], env=ENVIRONMENT, timeout=900)
    lines = done.stdout.strip().splitlines()
    # Status 0 says nothing: it is given for errors of the function too.
    if not lines:
        raise CommandError(f"SAM printed no answer to {event.name}:\n{done.stderr[-2000:]}")
    return lines[-1]


@contextmanager
def start_api(arguments: Sequence[str] = ()) -> Iterator[str]:
    """`sam local start-api` on a free port; gives its address and stops it in the end."""
    port = free_port()
    BUILD.mkdir(exist_ok=True)
    log = BUILD / "start-api.log"
    command = [str(COMMAND), "local", "start-api", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--skip-pull-image", "--warm-containers", "EAGER", "--disable-authorizer", *PATIENT]
    command += ["--template", str(write_local_template()), *arguments]
    with log.open("wb") as sink:
        server = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        # It removes its warm containers on SIGTERM, which takes a while.
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Running on" not in log.read_text(errors="replace"):
        if server.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-3000:]
            raise CommandError(f"sam local start-api does not start:\n{tail}")
        time.sleep(0.3)
