"""Calls over HTTP to the deployed stack: plain, signed, wrongly signed, with a token."""

import contextlib
import datetime
import http.client
import http.server
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.deploy.emulator import REGION, Emulator, policy

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html: a request
# is refused fifteen minutes after it was signed.
STALE = datetime.timedelta(minutes=16)
ALLOWED = "allowed"  # the one policy a test gives a user


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """An IAM user with one access key."""

    name: str
    key: str
    secret: str

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.key, self.secret)


@dataclass(frozen=True)
class Endpoint:
    """An address of the stack: its API or its function URL."""

    emulator: Emulator
    url: str
    service: str = "execute-api"

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        context = ssl.create_default_context(cafile=str(self.emulator.certificate))
        connection = http.client.HTTPSConnection(
            "localhost", self.emulator.port, timeout=60, context=context
        )
        sent = {"host": urlsplit(self.url).netloc, **headers}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        with contextlib.closing(connection):
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))

    def signed(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
    ) -> Answer:
        headers = {"content-type": content_type} if body is not None else {}
        request = AWSRequest(method, self.url.rstrip("/") + path, data=body, headers=headers)
        SigV4Auth(credentials, self.service, REGION).add_auth(request)
        return self.call(method, path, body, **dict(request.headers))

    def signed_long_ago(
        self, credentials: Credentials, method: str, path: str, body: bytes | None = None
    ) -> Answer:
        with pytest.MonkeyPatch.context() as patch:
            then = datetime.datetime.now(datetime.UTC) - STALE
            patch.setattr(botocore.auth, "get_current_datetime", lambda *_a, **_k: then)
            return self.signed(credentials, method, path, body)


def make_user(emulator: Emulator, name: str) -> User:
    """A user who may do nothing yet."""
    iam = emulator.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return User(name, key["AccessKeyId"], key["SecretAccessKey"])


def allow(emulator: Emulator, user: User, *actions: str, resource: str = "*") -> None:
    """Lets a user do these things and nothing else."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    emulator.client("iam").put_user_policy(
        UserName=user.name, PolicyName=ALLOWED, PolicyDocument=policy(statement)
    )


def forbid(emulator: Emulator, user: User) -> None:
    """Takes back what `allow` let a user do."""
    emulator.client("iam").delete_user_policy(UserName=user.name, PolicyName=ALLOWED)


@contextlib.contextmanager
def issuer() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """An OpenID provider on loopback: its address, and a list to put its JWKS into."""
    keys: list[dict[str, object]] = []

    class Discovery(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents = {
                "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/keys"},
                "/keys": keys[0] if keys else {},
            }
            body = json.dumps(documents.get(self.path, {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing to say."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Discovery)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url, keys
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
