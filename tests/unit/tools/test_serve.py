"""The local server turns HTTP into events as API Gateway does, and turns away what it would."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tools.serve import BODY_LIMIT, EVENT_LIMIT, Server, to_event

Answer = dict[str, Any]


class Function:
    """Takes the place of the Lambda function: keeps the events, gives the prepared answer."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.respond: Callable[[Any, Any], Answer] = lambda _event, _context: {
            "statusCode": 200,
            "headers": {"content-type": "application/json", "x-own": "1"},
            "body": '{"ok":true}',
            "isBase64Encoded": False,
        }

    def __call__(self, event: dict[str, Any], context: Any) -> Answer:
        self.events.append(event)
        return self.respond(event, context)


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def server(function: Function) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), function) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: Server, method: str, path: str, body: Any = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)) as wire:
        wire.request(method, path, body, named)
        response = wire.getresponse()
        return response, response.read()


def talk(server: Server, text: bytes) -> bytes:
    """Sends bytes as they are and returns all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as wire:
        wire.sendall(text)
        wire.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def test_a_call_goes_in_as_an_event_and_its_answer_comes_out(
    server: Server, function: Function
) -> None:
    response, body = ask(
        server, "POST", "/v1/embed?face=all", b"\xff\xd8", content_type="image/png"
    )
    assert (response.status, body) == (200, b'{"ok":true}')
    assert response.headers["x-own"] == "1"
    (event,) = function.events
    assert event["requestContext"]["http"]["method"] == "POST"
    assert (event["rawPath"], event["queryStringParameters"]) == ("/v1/embed", {"face": "all"})
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, b"\xff\xd8")


def test_json_travels_as_text_and_all_else_as_base64() -> None:
    text = to_event("POST", "/x", {"content-type": "application/json"}, b'{"a": 1}')
    assert (text["body"], text["isBase64Encoded"]) == ('{"a": 1}', False)
    for content_type in ("application/octet-stream", "image/jpeg", None):
        headers = {"content-type": content_type} if content_type else {}
        event = to_event("POST", "/x", headers, b'{"a": 1}')
        assert event["isBase64Encoded"] is True
    broken = to_event("POST", "/x", {"content-type": "application/json"}, b"\xff")
    assert broken["isBase64Encoded"] is True


def test_what_is_repeated_is_joined_by_commas(server: Server, function: Function) -> None:
    head = b"GET /x?face=largest&a=1&face=all HTTP/1.1\r\nX-One: 1\r\nx-one: 2\r\n"
    talk(server, head + b"Connection: close\r\n\r\n")
    (event,) = function.events
    assert event["queryStringParameters"] == {"face": "largest,all", "a": "1"}
    assert event["rawQueryString"] == "face=largest&a=1&face=all"
    assert event["headers"]["x-one"] == "1,2"


def test_binary_answers_come_out_as_bytes(server: Server, function: Function) -> None:
    function.respond = lambda *_: {
        "statusCode": 200,
        "headers": {"content-type": "image/jpeg"},
        "body": "/9g=",
        "isBase64Encoded": True,
    }
    assert ask(server, "GET", "/a.jpg")[1] == b"\xff\xd8"


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "PURGE"])
def test_any_method_is_the_functions_to_answer(
    method: str, server: Server, function: Function
) -> None:
    assert ask(server, method, "/v1/embed")[0].status == 200
    assert function.events[0]["requestContext"]["http"]["method"] == method


def test_head_has_the_length_and_no_body(server: Server) -> None:
    response, body = ask(server, "HEAD", "/v1/health")
    assert (response.headers["content-length"], body) == ("11", b"")


def test_a_body_in_chunks_is_refused(server: Server, function: Function) -> None:
    response, _ = ask(server, "POST", "/service", iter([b"abc", b"def"]))
    assert response.status == 411
    assert not function.events


def test_a_refused_caller_may_send_on(server: Server) -> None:
    """Else whoever sends a long body sees a broken connection in place of the answer."""
    head = b"POST /service HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as wire:
        wire.sendall(head)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
        for _ in range(20):
            wire.sendall(b"3\r\nabc\r\n")
            time.sleep(0.005)
    assert answer.startswith(b"HTTP/1.0 411 ")


def test_a_request_without_a_content_type_has_none_in_its_event(
    server: Server, function: Function
) -> None:
    ask(server, "POST", "/service", b"{}")
    assert "content-type" not in function.events[0]["headers"]


def test_a_client_that_asks_first_is_told_to_continue(server: Server) -> None:
    head = b"POST /service HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
    answer = talk(server, head + b"Connection: close\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n")


def test_a_body_over_the_gateways_limit_is_refused_unread(
    server: Server, function: Function
) -> None:
    head = b"POST /service HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (BODY_LIMIT + 1)
    assert talk(server, head + b"\r\n").startswith(b"HTTP/1.0 413 ")
    assert not function.events


def test_an_event_over_lambdas_limit_is_refused(server: Server, function: Function) -> None:
    response, body = ask(server, "POST", "/service", b"x" * (EVENT_LIMIT * 3 // 4))
    assert response.status == 413
    assert json.loads(body) == {"message": "Request Entity Too Large"}
    assert not function.events


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
    ],
)
def test_a_malformed_request_is_refused(
    request_text: bytes, server: Server, function: Function
) -> None:
    assert talk(server, request_text).startswith(b"HTTP/1.0 400 ")
    assert not function.events


def test_a_function_that_raises_is_a_500_without_detail(
    server: Server, function: Function, capfd: pytest.CaptureFixture[str]
) -> None:
    def explode(_event: Any, _context: Any) -> Answer:
        raise ValueError("secret")

    function.respond = explode
    response, body = ask(server, "GET", "/")
    assert (response.status, json.loads(body)) == (500, {"message": "Internal Server Error"})
    assert "secret" not in capfd.readouterr().err


def test_invocations_come_one_at_a_time(server: Server, function: Function) -> None:
    inside, most = 0, 0
    entered = threading.Semaphore(0)

    def count(_event: Any, _context: Any) -> Answer:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        entered.acquire(timeout=0.05)  # gives the others a chance to come in
        inside -= 1
        return {"statusCode": 204, "headers": {}, "body": "", "isBase64Encoded": False}

    function.respond = count
    callers = [threading.Thread(target=ask, args=(server, "GET", "/")) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (len(function.events), most) == (4, 1)


def test_the_context_counts_down(server: Server, function: Function) -> None:
    seen: list[Any] = []

    def look(_event: Any, context: Any) -> Answer:
        seen.append((context.get_remaining_time_in_millis(), context.aws_request_id))
        return {"statusCode": 204, "headers": {}, "body": "", "isBase64Encoded": False}

    function.respond = look
    ask(server, "GET", "/")
    ((remaining, request_id),) = seen
    assert 20_000 < remaining <= 30_000
    assert len(request_id) == 36
