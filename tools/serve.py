"""`make serve`: HTTP on this machine, turned into the events that an HTTP API would send.

One invocation at a time, as one Lambda environment works, and with the payload limits of API
Gateway and Lambda, so that what works here works there. The HTTP itself is the standard library's
(wsgiref): enough for a developer's machine, and for nothing else.

    python -m tools.serve
    curl -X POST http://127.0.0.1:8080/service -T test.json
"""

import argparse
import base64
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from socketserver import ThreadingMixIn
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from fixtures.http_events import Event, http_v2

# API Gateway takes bodies of up to 10 MB, and Lambda events of up to 6 MB.
BODY_LIMIT = 10 * 1024 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
TEXT_BODIES = ("text/", "application/json", "application/javascript", "application/xml")
CALL_SECONDS = 30.0
IDLE_SECONDS = 20.0
# How long, and how much of, what a caller still sends after the answer is read and dropped.
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024

# Where people enrolled on the page are kept, unless FACENET_COLLECTIONS says otherwise.
COLLECTIONS = "build/collections"

LambdaHandler = Callable[[Event, Any], dict[str, Any]]


class Refusal(Exception):  # noqa: N818 - not an error of this server
    """A request that API Gateway would turn away; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status


class Context:
    """The part of Lambda's context object that the handler reads."""

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._deadline = time.monotonic() + CALL_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until API Gateway would stop waiting."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class RequestHandler(WSGIRequestHandler):
    """One request: adds to wsgiref's environment the target as it was sent, and logs nothing."""

    protocol_version = "HTTP/1.1"  # so that `Expect: 100-continue` is answered
    timeout = IDLE_SECONDS

    def get_environ(self) -> WSGIEnvironment:
        """WSGI's variables and REQUEST_URI; no content type where none was sent."""
        content_type = self.headers.get("content-type", "")
        environ = {"REQUEST_URI": self.path, "CONTENT_TYPE": content_type}
        return {**super().get_environ(), **environ}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the function prints a line for each call."""
        del code, size


class Server(ThreadingMixIn, WSGIServer):
    """Connections have threads of their own; invocations share one lock."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: LambdaHandler) -> None:
        super().__init__(address, RequestHandler)
        self.set_app(self.answer)
        self._handler = handler
        self._one_at_a_time = threading.Lock()

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application: the function's response, or the gateway's own refusal."""
        try:
            response = self.invoke(_event(environ))
        except Refusal as refusal:
            response = _refusal(refusal.status)
        except Exception as failure:
            print(f"the function raised {type(failure).__name__}", file=sys.stderr)
            response = _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        body = response.get("body", "")
        content = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()
        headers = [*response.get("headers", {}).items(), ("content-length", str(len(content)))]
        status = HTTPStatus(response["statusCode"])
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def invoke(self, event: Event) -> dict[str, Any]:
        """The function's response. Raises Refusal for an event that Lambda would refuse."""
        if len(json.dumps(event)) > EVENT_LIMIT:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        with self._one_at_a_time:
            return self._handler(event, Context())

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection so that a caller who is still sending gets to read the answer.

        A socket that is closed while data arrive resets the connection, and the answer is lost.
        """
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            end, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
            while left > 0 and (seconds := end - time.monotonic()) > 0:
                request.settimeout(seconds)
                part = request.recv(1 << 16)
                if not part:
                    break
                left -= len(part)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Reports a failure, unless the caller has hung up."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _event(environ: WSGIEnvironment) -> Event:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    return to_event(environ["REQUEST_METHOD"], environ["REQUEST_URI"], headers, _body(environ))


def _body(environ: WSGIEnvironment) -> bytes:
    """The request's body. Raises Refusal for one that is too large, cut short or sent in chunks."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise Refusal(HTTPStatus.LENGTH_REQUIRED)
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.strip().isdecimal() or len(length) > 15:
        raise Refusal(HTTPStatus.BAD_REQUEST)
    if int(length) > BODY_LIMIT:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        body: bytes = environ["wsgi.input"].read(int(length))
    except TimeoutError:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT) from None
    if len(body) < int(length):
        raise Refusal(HTTPStatus.BAD_REQUEST)
    return body


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    return {
        "statusCode": status.value,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": status.phrase}),
    }


def to_event(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Event:
    """A request as an HTTP API would hand it to Lambda (payload format 2.0).

    Args:
        target: Path and query as they were sent.
        headers: By name in lower case.

    Raises:
        Refusal: `target` is not a URL.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST) from None
    as_text = headers.get("content-type", "").lower().startswith(TEXT_BODIES)
    text = _as_text(body) if as_text else None
    event = http_v2(
        parts.path or "/",
        base64.b64encode(body).decode("ascii") if text is None else text,
        method=method,
        base64_encoded=text is None,
        query=parts.query,
    )
    query = _joined(parse_qsl(parts.query, keep_blank_values=True))
    extra = {"queryStringParameters": query} if query else {}
    return {**event, "headers": dict(headers), **extra}


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name; those of a repeated one with commas between, as payload 2.0 has them."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def _as_text(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def make_server(host: str, port: int) -> Server:
    """A server with the function loaded, which is the cold start."""
    os.environ.setdefault("FACENET_PAGE", "true")
    os.environ.setdefault("FACENET_REKOGNITION", "true")
    os.environ.setdefault("FACENET_COLLECTIONS", COLLECTIONS)
    from handler.app import lambda_handler

    return Server((host, port), lambda_handler)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        server = make_server(options.host, options.port)
    except (OSError, OverflowError) as failure:
        why = getattr(failure, "strerror", None) or failure
        print(f"cannot listen on {options.host}:{options.port}: {why}")
        print("Choose another port with --port.")
        return 1
    address = f"http://{options.host}:{server.server_port}"
    print(f"facenet-lambda answers on {address}/ ; stop it with Ctrl-C", flush=True)
    print(f"try: curl -X POST {address}/service -T test.json", flush=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    finally:
        server.server_close()
    return 0


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address (default: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port (default 8080)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
