"""The Lambda Runtime API on loopback: just enough of it to drive a function through awslambdaric.

The function runs as on AWS, in a process of its own that asks for the next event, answers, and
asks again (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). No emulator, no
container: what this leaves out (memory, time limit, frozen process) the container tests cover.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
API = "/2018-06-01/runtime/"
HANDLER = "handler.app.lambda_handler"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:facenet"
PATIENCE_S = 120.0
POLL_S = 0.1


class FunctionError(RuntimeError):
    """The function could not start, raised, or ended; the message is what it said."""


@dataclass(frozen=True)
class Answer:
    """What the function returned, and how long that took as its caller sees it."""

    payload: Any
    milliseconds: float


@dataclass(frozen=True)
class Said:
    """One message of the runtime: `kind` is ready, response, error or init/error."""

    kind: str
    body: bytes


class LoopbackServer(ThreadingHTTPServer):
    """Where the function asks for events."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function that is ended drops its connection: no error here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RuntimeStub:
    """Starts a function and invokes it, one event at a time.

    >>> with RuntimeStub() as function:
    ...     answer = function.invoke({"operation": "compare", "images": [...]})
    """

    def __init__(
        self, handler: str = HANDLER, *, settings: Mapping[str, str] | None = None, log: Any = None
    ) -> None:
        """`settings` go into the function's environment; `log` is a file for what it prints."""
        self._events: queue.Queue[bytes] = queue.Queue()
        self._said: queue.Queue[Said] = queue.Queue()
        self._server = LoopbackServer(("127.0.0.1", 0), self._requests())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=ROOT,
            env=self._environment(handler, settings or {}),
            stdout=log,
            stderr=log,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait_until_ready(self) -> None:
        """Returns once the function has loaded and asks for its first event."""
        if not self._ready:
            self._next("ready")
            self._ready = True

    def invoke(self, event: Any) -> Answer:
        """Raises FunctionError with the function's own words if it does not answer."""
        self.wait_until_ready()
        start = time.perf_counter()
        self._ready = False
        self._events.put(json.dumps(event).encode())
        body = self._next("response").body
        return Answer(json.loads(body), (time.perf_counter() - start) * 1000)

    def close(self) -> None:
        """Ends the function while it waits for an event, as Lambda does."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _next(self, kind: str) -> Said:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                said = self._said.get(timeout=POLL_S)
            except queue.Empty:
                self._check_alive()
                continue
            if said.kind == kind:
                return said
            raise FunctionError(_words(said.body))
        raise FunctionError(f"no {kind} from the function within {PATIENCE_S:.0f} s")

    def _check_alive(self) -> None:
        status = self._process.poll()
        if status is not None and self._said.empty():
            raise FunctionError(f"the function ended with exit status {status}")

    def _environment(self, handler: str, settings: Mapping[str, str]) -> dict[str, str]:
        host, port = self._server.server_address[:2]
        return {
            **os.environ,
            "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "facenet",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3538",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/facenet",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_REGION": os.environ.get("AWS_REGION", "eu-west-1"),
            "LAMBDA_TASK_ROOT": str(ROOT),
            "_HANDLER": handler,
            **settings,
        }

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        events, said = self._events, self._said

        class Requests(BaseHTTPRequestHandler):
            """GET invocation/next waits for an event; every POST is something said."""

            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                said.put(Said("ready", b""))
                event = events.get()
                self._reply(200, event, _event_headers())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kind = "init/error" if "init" in self.path else self.path.rsplit("/", 1)[-1]
                said.put(Said(kind, body))
                self._reply(202, b"{}", {})

            def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """The function's own log is enough."""

        return Requests


def _event_headers() -> dict[str, str]:
    deadline_ms = int((time.time() + PATIENCE_S) * 1000)
    return {
        "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
        "Lambda-Runtime-Trace-Id": "Root=1-69b30f1e-5f0c1b7c2d3e4f5061728394;Sampled=0",
    }


def _words(body: bytes) -> str:
    """`errorType: errorMessage` of the runtime's error document, or the text as it is."""
    try:
        error = json.loads(body)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
