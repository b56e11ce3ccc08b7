"""AWS's Lambda runtime emulator on the bare host, around awslambdaric and a handler."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fixtures.ports import free_port
from fixtures.servers.radosgw import ServerUnavailableError, wait_until
from tests.process_logs import LOGS

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / os.environ.get("TOOLS", "build/venv")  # as in the Makefile
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@contextmanager
def running(handler: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The URL that invokes `handler` (`module.function`).

    The emulator takes one invocation at a time; a second one at the same time crashes it.

    Raises:
        ServerUnavailableError: There is no emulator on this machine.
    """
    port, api_port = free_port(), free_port()
    command = [
        find_emulator(),
        f"--runtime-interface-emulator-address=127.0.0.1:{port}",
        f"--runtime-api-address=127.0.0.1:{api_port}",
        sys.executable,
        "-m",
        "awslambdaric",
        handler,
    ]
    inherited = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    log = LOGS.open("emulator")
    process = subprocess.Popen(
        command,
        env={**inherited, **environment},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        wait_until(lambda: listens(port), "the emulator")
        yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def find_emulator() -> str:
    """The emulator's program: FACENET_RIE, the one on PATH, or the one inside SAM's package."""
    name = f"samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}"
    inside_sam = sorted(TOOLS.glob(f"*/lib/python*/site-packages/{name}"))
    named = os.environ.get("FACENET_RIE") or shutil.which("aws-lambda-rie")
    found = named or next((str(path) for path in inside_sam), None)
    if not found:
        raise ServerUnavailableError("no aws-lambda-rie: set FACENET_RIE, or make SAM's tools")
    return found


def listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
