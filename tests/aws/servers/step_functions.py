"""moto's Step Functions, with our function behind its Lambda calls.

moto runs a state machine's calls of other services against itself. Here they go through a front
that answers calls of Lambda's Invoke with a function of this process, and passes on the rest.
"""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fixtures.ports import free_port
from fixtures.servers import fault_proxy, moto_server
from fixtures.servers.fault_proxy import FaultProxy
from fixtures.servers.radosgw import Account

INVOKE = re.compile(r"^/2015-03-31/functions/[^/]+/invocations")
ANYBODY = Account("test", "test")


@dataclass
class StepFunctions:
    """The running server; `function` answers what its state machines invoke."""

    url: str
    function: Callable[[Any], Any]

    def client(self, service: str) -> Any:
        return moto_server.make_client(self.url, service, ANYBODY)


class Handler(fault_proxy.Handler):
    """Answers Invoke itself."""

    server_of: StepFunctions

    def answer(self) -> None:
        if not INVOKE.match(self.path):
            super().answer()
            return
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = [("Content-Type", "application/json")]
        try:
            answer = self.server_of.function(event)
        except Exception as failure:  # as Lambda's runtime reports it
            headers.append(("X-Amz-Function-Error", "Unhandled"))
            answer = {"errorMessage": str(failure), "errorType": type(failure).__name__}
        self.reply(200, headers, json.dumps(answer).encode())

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815


@contextmanager
def running(folder: Path) -> Iterator[StepFunctions]:
    """The server for the length of a `with`; `folder` takes its configuration of boto3."""
    port = free_port()
    with front(port) as steps:
        configuration = folder / "aws-config"
        configuration.write_text("[default]\ns3 =\n    addressing_style = path\n")
        variables = {
            "MOTO_PORT": steps.url.rpartition(":")[2],
            "AWS_CONFIG_FILE": str(configuration),
        }
        with moto_server.process(port, variables):
            execute_state_machines(f"http://127.0.0.1:{port}")
            yield steps


@contextmanager
def front(target_port: int) -> Iterator[StepFunctions]:
    import threading

    steps = StepFunctions("", lambda event: event)
    proxy = FaultProxy(("127.0.0.1", target_port))
    handler = type("BoundHandler", (Handler,), {"proxy": proxy, "server_of": steps})
    server: ThreadingHTTPServer = fault_proxy.Server(("127.0.0.1", 0), handler)
    steps.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield steps
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def execute_state_machines(url: str) -> None:
    """Let moto run state machines instead of only naming them."""
    body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    request = urllib.request.Request(f"{url}/moto-api/config", body, method="POST")
    with urllib.request.urlopen(request, timeout=20):
        pass
