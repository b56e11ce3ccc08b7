"""The function with the template's environment and role, behind Lambda's invoke protocol.

    python -m tests.deploy.function_process FUNCTION_NAME PORT [IMAGE]

It asks the emulator how the function is configured, takes on its role, and answers POST requests
one at a time, as one Lambda environment does: in this process, or where an IMAGE is named, in a
container under the runtime interface emulator. A failed invocation is marked by the header
X-Amz-Function-Error, as Lambda's own API marks it.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

SESSION_SECONDS = 3600
FOR_AWS_CLIENTS = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION")
CERTIFICATE = "/opt/emulator.crt"  # in the container
# Event and headers -> the answer, and whether it is a failure.
Invoke = Callable[[Any, Mapping[str, str]], tuple[Any, bool]]


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler about its invocation."""

    aws_request_id: str
    invoked_function_arn: str
    function_name: str
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self.deadline - time.monotonic()) * 1000))


def describe(name: str) -> tuple[Mapping[str, Any], dict[str, str]]:
    """The function's configuration, and its environment with its role's credentials."""
    # A session of its own: boto3's default one would keep these credentials for the handler.
    account = boto3.Session()
    configuration = account.client("lambda").get_function_configuration(FunctionName=name)
    credentials = account.client("sts").assume_role(
        RoleArn=configuration["Role"], RoleSessionName=name, DurationSeconds=SESSION_SECONDS
    )["Credentials"]
    return configuration, {
        **configuration["Environment"]["Variables"],
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration["MemorySize"]),
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def in_this_process(configuration: Mapping[str, Any], variables: Mapping[str, str]) -> Invoke:
    os.environ.update(variables)
    from handler.app import lambda_handler  # it reads the environment as it is imported

    def invoke(event: Any, headers: Mapping[str, str]) -> tuple[Any, bool]:
        context = Context(
            headers["Lambda-Runtime-Aws-Request-Id"],
            headers["Lambda-Runtime-Invoked-Function-Arn"],
            configuration["FunctionName"],
            time.monotonic() + configuration["Timeout"],
        )
        try:
            return lambda_handler(event, context), False
        except Exception as failure:
            return {"errorType": type(failure).__name__, "errorMessage": str(failure)}, True

    return invoke


@contextlib.contextmanager
def in_a_container(
    image: str, configuration: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[Invoke]:
    """The image beside the AWS emulator, which listens on this machine's loopback alone."""
    from fixtures import lambda_container  # a copy of the code with its own model has none

    certificate = Path(os.environ["AWS_CA_BUNDLE"])
    certificate.chmod(0o644)  # the function is not the user who runs this
    passed = {name: os.environ[name] for name in FOR_AWS_CLIENTS}
    container = lambda_container.start(
        image,
        size=lambda_container.Size(configuration["MemorySize"]),
        timeout=configuration["Timeout"],
        environment={**passed, "AWS_CA_BUNDLE": CERTIFICATE, **variables},
        mounts={certificate: CERTIFICATE},
        network=lambda_container.HOST,
    )

    def invoke(event: Any, _headers: Mapping[str, str]) -> tuple[Any, bool]:
        """The emulator answers 200 whatever happens; a failure has a type."""
        answer = container.invoke(event).json()
        return answer, isinstance(answer, dict) and "errorType" in answer

    try:
        yield invoke
    finally:
        print(container.logs())
        container.remove()


def serve(invoke: Invoke, port: int) -> None:
    one_at_a_time = threading.Lock()

    class Invocations(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with one_at_a_time:
                answer, failed = invoke(event, self.headers)
            body = json.dumps(answer).encode()
            self.send_response(200)
            if failed:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """The handler's own lines are the log."""

    ThreadingHTTPServer(("127.0.0.1", port), Invocations).serve_forever()


def main(name: str, port: str, image: str = "") -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that a container is removed
    configuration, variables = describe(name)
    if not image:
        serve(in_this_process(configuration, variables), int(port))
        return
    with in_a_container(image, configuration, variables) as invoke:
        serve(invoke, int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
