"""`make local-api`: builds the image with SAM and serves it as the HTTP API would.

SAM runs against this machine's Docker engine: it pulls nothing and calls nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fixtures.ports import free_port
from image.commands import (
    BUILD,
    ROOT,
    SAM,
    CommandError,
    EngineUnavailableError,
    complete,
    require_engine,
    say,
)
from tools.failure import report_failure
from tools.sam_template import write_local_template

COMMAND = SAM / "bin/sam"
# SAM requires credentials; none are sent anywhere.
ENVIRONMENT = {
    "SAM_CLI_TELEMETRY": "0",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
START_SECONDS = 180.0
# A local call should not fail because this machine is busy.
PATIENT = ("--parameter-overrides", "Timeout=120")
FUNCTION = "FacenetFunction"


def main() -> int:
    """Serves until it is interrupted; 1 where the image cannot be built or served."""
    # An exit, so that the server is stopped.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        require_engine()
        say("sam build")
        sam("build", timeout=3600)
        with start_api() as address:
            say(f"{address} (stop it with Ctrl-C)")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except (CommandError, EngineUnavailableError) as failure:
        return report_failure(failure)
    return 0


def sam(*arguments: str, timeout: float = 900) -> str:
    """Standard output of one sam command, run in the repository's root.

    Raises:
        CommandError: it failed.
    """
    return complete([str(COMMAND), *arguments], env=ENVIRONMENT, timeout=timeout).stdout


def invoke(event: Path) -> str:
    """What `sam local invoke` prints for an event file: the answer as JSON.

    Raises:
        CommandError: it failed, or printed no answer, as when the function timed out; the message
            holds the end of what SAM and the function logged.
    """
    command = [str(COMMAND), "local", "invoke", FUNCTION, "--event", str(event)]
    done = complete([*command, "--skip-pull-image", *PATIENT], env=ENVIRONMENT, timeout=900)
    lines = done.stdout.strip().splitlines()
    # SAM exits with 0 for errors of the function too.
    if not lines:
        raise CommandError(f"SAM printed no answer to {event.name}:\n{done.stderr[-2000:]}")
    return lines[-1]


@contextmanager
def start_api(arguments: Sequence[str] = ()) -> Iterator[str]:
    """`sam local start-api` on a free port: yields its address, and stops it in the end.

    Raises:
        CommandError: it does not start.
    """
    port = free_port()
    BUILD.mkdir(exist_ok=True)
    log = BUILD / "start-api.log"
    command = [str(COMMAND), "local", "start-api", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--skip-pull-image", "--warm-containers", "EAGER", "--disable-authorizer", *PATIENT]
    command += ["--template", str(write_local_template()), *arguments]
    with log.open("wb") as sink:
        server = subprocess.Popen(
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


def _wait(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Running on" not in log.read_text(errors="replace"):
        if server.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-3000:]
            raise CommandError(f"sam local start-api does not start:\n{tail}")
        time.sleep(0.3)


if __name__ == "__main__":
    sys.exit(main())
