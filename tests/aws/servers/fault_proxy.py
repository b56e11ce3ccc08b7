"""A small HTTP proxy in front of an S3 server that fails on purpose.

It passes requests on unchanged, so signatures stay valid, until a fault is due for one of them.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote

# 503 without asking the server; half of the server's answer; no answer after the server did it.
Kind = Literal["unavailable", "cut", "lost-answer"]
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
HOP_HEADERS = frozenset({"connection", "transfer-encoding", "expect", "keep-alive"})


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that fit.

    Args:
        part: Text that the decoded path must contain.
        share: Probability that a request that fits is hit.
    """

    kind: Kind
    method: str
    part: str = ""
    times: float = 1
    share: float = 1.0


@dataclass
class FaultProxy:
    """The running proxy; `faults` may be changed at any time.

    Args:
        latency: Seconds that every request waits, as a request to S3 does and one to loopback not.
    """

    target: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    latency: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    dice: random.Random = field(default_factory=lambda: random.Random(4))
    before: Callable[[str, str], None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def due(self, method: str, path: str) -> Kind | None:
        """The fault that this request gets, which uses it up; requests are counted."""
        with self.lock:
            self.counts[method] += 1
            for fault in self.faults:
                fits = fault.method == method and fault.part in unquote(path)
                if fits and fault.times > 0 and self.dice.random() < fault.share:
                    fault.times -= 1
                    self.counts[fault.kind] += 1
                    return fault.kind
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.due(self.command, self.path)
        if self.proxy.latency:
            time.sleep(self.proxy.latency)
        if self.proxy.before:
            self.proxy.before(self.command, unquote(self.path))
        if fault == "unavailable":
            self.reply(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            return
        status, headers, answer = self.forward(body)
        if fault == "lost-answer":
            self.close_connection = True
        else:
            self.reply(status, headers, answer, cut=fault == "cut")

    def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.proxy.target, timeout=30)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in HOP_HEADERS:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def reply(
        self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        skipped = HOP_HEADERS | {"content-length"}
        for name, value in headers:
            if name.lower() not in skipped:
                self.send_header(name, value)
        announced = {name.lower(): value for name, value in headers}.get("content-length")
        length = announced if self.command == "HEAD" and announced else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read their own output."""


class Server(ThreadingHTTPServer):
    """Threads that end with the process, and clients that may leave early."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the game."""


@contextmanager
def running(target_port: int) -> Iterator[FaultProxy]:
    """A proxy on a free port in front of 127.0.0.1:`target_port`."""
    proxy = FaultProxy(("127.0.0.1", target_port))
    handler = type("BoundHandler", (Handler,), {"proxy": proxy})
    server = Server(("127.0.0.1", 0), handler)
    proxy.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
