"""An HTTP endpoint that hands every body it is sent to a function."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """A POST is answered 200, or 500 where the function raised."""

    receive: Callable[[Any], None]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            type(self).receive(body)
            status = 200
        except Exception:
            status = 500
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read their own output."""


@contextmanager
def running(receive: Callable[[Any], None]) -> Iterator[str]:
    """The endpoint's URL."""
    handler = type("BoundHandler", (Handler,), {"receive": staticmethod(receive)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
