"""`make serve`: HTTP on this machine, turned into the events that an HTTP API would send.

One invocation at a time, as one Lambda environment works, and with the payload limits of API
Gateway and Lambda, so that what works here works there.

    python -m tools.serve
    curl -X POST http://127.0.0.1:8080/service -T test.json
"""

import argparse
import base64
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from tools.http_events import Event, http_v2

# API Gateway takes bodies of up to 10 MB, and Lambda events of up to 6 MB.
BODY_LIMIT = 10 * 1024 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
TEXT_BODIES = ("text/", "application/json", "application/javascript", "application/xml")
CALL_SECONDS = 30.0
IDLE_SECONDS = 20.0
LONGEST_LINE = 1024

LambdaHandler = Callable[[Event, Any], dict[str, Any]]


class TooLarge(Exception):  # noqa: N818 - the name says it
    """A body or an event that API Gateway would turn away."""


class Malformed(Exception):  # noqa: N818
    """A request that is not HTTP as it should be."""


class Context:
    """The part of Lambda's context object that the handler reads."""

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._deadline = time.monotonic() + CALL_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until API Gateway would stop waiting."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class Server(ThreadingHTTPServer):
    """Connections share threads; invocations share one lock."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: LambdaHandler) -> None:
        super().__init__(address, RequestHandler)
        self._handler = handler
        self._one_at_a_time = threading.Lock()

    def invoke(self, event: Event) -> dict[str, Any]:
        """The function's response. Raises TooLarge for an event that Lambda would refuse."""
        if len(json.dumps(event)) > EVENT_LIMIT:
            raise TooLarge
        with self._one_at_a_time:
            return self._handler(event, Context())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no news; anything else is reported."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class RequestHandler(BaseHTTPRequestHandler):
    """One connection: requests in, events out, and back."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "facenet-lambda"
    sys_version = ""
    timeout = IDLE_SECONDS

    def handle_expect_100(self) -> bool:
        """Says `100 Continue`, unless the body that would follow is too large anyway."""
        try:
            if _content_length(self.headers.get("content-length")) > BODY_LIMIT:
                raise TooLarge
        except TooLarge:
            self._refuse(413, "Request Entity Too Large")
        except Malformed:
            self._refuse(400, "Bad Request")
        else:
            return super().handle_expect_100()
        return False

    def answer(self) -> None:
        """Answers a request of any method."""
        try:
            event = to_event(self.command, self.path, self.headers.items(), self._body())
            response = self.server.invoke(event)
        except TooLarge:
            self._refuse(413, "Request Entity Too Large")
        except Malformed:
            self._refuse(400, "Bad Request")
        except TimeoutError:
            self.close_connection = True
        except Exception as failure:
            self.log_error("the function raised %s", type(failure).__name__)
            self._refuse(500, "Internal Server Error")
        else:
            self._send(response)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Any method, known or not, is the function's to answer."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = _content_length(self.headers.get("content-length"))
        if length > BODY_LIMIT:
            raise TooLarge
        return self._exactly(length)

    def _chunks(self) -> bytes:
        """A body sent in chunks, as curl does with a pipe."""
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > BODY_LIMIT:
                raise TooLarge
            body += self._exactly(size)
            self.rfile.readline(LONGEST_LINE)
        while self.rfile.readline(LONGEST_LINE) not in (b"\r\n", b"\n", b""):
            continue  # trailers
        return bytes(body)

    def _chunk_size(self) -> int:
        text = self.rfile.readline(LONGEST_LINE).partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            raise Malformed from None
        if size < 0:
            raise Malformed
        return size

    def _exactly(self, length: int) -> bytes:
        data = self.rfile.read(length)
        if len(data) < length:
            raise Malformed
        return data

    def _send(self, response: dict[str, Any]) -> None:
        body = response.get("body", "")
        content = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()
        self.send_response(response["statusCode"])
        for name, value in response.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, message: str) -> None:
        """An answer of the gateway's own; what is left of the body is not read."""
        self.close_connection = True
        content = json.dumps({"message": message}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the function prints a line for each call."""
        del code, size


def to_event(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Event:
    """A request as an HTTP API would hand it to Lambda (payload format 2.0)."""
    try:
        parts = urlsplit(target)
    except ValueError:
        raise Malformed from None
    lower = _joined((name.lower(), value) for name, value in headers)
    as_text = lower.get("content-type", "").lower().startswith(TEXT_BODIES)
    text = _as_text(body) if as_text else None
    event = http_v2(
        parts.path or "/",
        base64.b64encode(body).decode("ascii") if text is None else text,
        method=method,
        base64_encoded=text is None,
        query=parts.query,
    )
    query = _joined(parse_qsl(parts.query, keep_blank_values=True))
    return {**event, "headers": lower, **({"queryStringParameters": query} if query else {})}


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


def _content_length(value: str | None) -> int:
    if value is None:
        return 0
    if not value.strip().isdecimal() or len(value) > 15:
        raise Malformed
    return int(value)


def make_server(host: str, port: int) -> Server:
    """A server with the function loaded, which is the cold start."""
    os.environ.setdefault("FACENET_PAGE", "true")
    os.environ.setdefault("FACENET_REKOGNITION", "true")
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
