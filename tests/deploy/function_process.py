"""The function as a local process: the template's environment and role, Lambda's invoke protocol.

    python -m tests.deploy.function_process FUNCTION_NAME PORT

It asks the emulator how the function is configured, takes on its role, and answers POST requests
one at a time, as one Lambda environment does. A failed invocation is marked by the header
X-Amz-Function-Error, as Lambda's own API marks it.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

SESSION_SECONDS = 3600


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler about its invocation."""

    aws_request_id: str
    invoked_function_arn: str
    function_name: str
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self.deadline - time.monotonic()) * 1000))


def take_on(name: str) -> Mapping[str, Any]:
    """The environment of the function, its role's credentials included, becomes this process's."""
    # A session of its own: boto3's default one would keep these credentials for the handler.
    account = boto3.Session()
    configuration = account.client("lambda").get_function_configuration(FunctionName=name)
    credentials = account.client("sts").assume_role(
        RoleArn=configuration["Role"], RoleSessionName=name, DurationSeconds=SESSION_SECONDS
    )["Credentials"]
    os.environ.update(configuration["Environment"]["Variables"])
    os.environ.update(
        AWS_LAMBDA_FUNCTION_NAME=name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE=str(configuration["MemorySize"]),
        AWS_ACCESS_KEY_ID=credentials["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=credentials["SecretAccessKey"],
        AWS_SESSION_TOKEN=credentials["SessionToken"],
    )
    return configuration


def serve(configuration: Mapping[str, Any], port: int) -> None:
    from handler.app import lambda_handler  # it reads the environment as it is imported

    one_at_a_time = threading.Lock()

    def invoke(event: Any, headers: Mapping[str, str]) -> tuple[Any, str | None]:
        with one_at_a_time:
            context = Context(
                headers["Lambda-Runtime-Aws-Request-Id"],
                headers["Lambda-Runtime-Invoked-Function-Arn"],
                configuration["FunctionName"],
                time.monotonic() + configuration["Timeout"],
            )
            try:
                return lambda_handler(event, context), None
            except Exception as failure:
                kind = type(failure).__name__
                return {"errorType": kind, "errorMessage": str(failure)}, "Unhandled"

    class Invocations(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer, failure = invoke(event, self.headers)
            body = json.dumps(answer).encode()
            self.send_response(200)
            if failure:
                self.send_header("X-Amz-Function-Error", failure)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """The handler's own lines are the log."""

    ThreadingHTTPServer(("127.0.0.1", port), Invocations).serve_forever()


if __name__ == "__main__":
    serve(take_on(sys.argv[1]), int(sys.argv[2]))
