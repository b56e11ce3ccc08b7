"""Real servers, started once and stopped by their process ids; tests skip where there are none."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fixtures.servers import connection, fault_proxy, moto_server, radosgw
from fixtures.servers.fault_proxy import FaultProxy
from fixtures.servers.moto_server import MotoServer
from fixtures.servers.radosgw import Account, RadosGateway, ServerUnavailableError
from tests.aws import stand_in
from tests.needs import not_here

ACCOUNT_VARIABLES = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a server."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.aws)


@pytest.fixture(scope="session")
def gateway() -> Iterator[RadosGateway]:
    """Ceph's S3 gateway."""
    try:
        server = radosgw.start()
    except ServerUnavailableError as reason:
        not_here(f"no S3 server: {reason}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """moto with signatures and policies enforced."""
    pytest.importorskip("moto.server", reason="needs moto[server]: group aws-test")
    with moto_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def account(gateway: RadosGateway) -> Account:
    """The owner of all buckets of the tests, who is also the function."""
    return gateway.create_account("owner")


@pytest.fixture
def proxy(gateway: RadosGateway) -> Iterator[FaultProxy]:
    """The way to the gateway on which things may go wrong."""
    with fault_proxy.running(gateway.port) as running:
        yield running


@dataclass
class Bench:
    """A pair of fresh buckets, the function that works on them, and a look into them."""

    s3: Any
    service: stand_in.StandIn
    put_bytes: dict[str, bytes] = field(default_factory=dict)
    inputs: str = "photos"
    outputs: str = "faces"

    def put(self, key: str, data: bytes | None = None) -> str | None:
        """Put a picture; returns its version, if the bucket has versions."""
        self.put_bytes[key] = data if data is not None else f"picture {key}".encode()
        answer = self.s3.put_object(Bucket=self.inputs, Key=key, Body=self.put_bytes[key])
        version: str | None = answer.get("VersionId")
        return version

    def invoke(self, event: Any, context: Any = None) -> Any:
        return stand_in.invoke(self.service, event, context)

    def output_keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.outputs)
        return [row["Key"] for page in pages for row in page.get("Contents", [])]

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """All results by the key of their object."""
        found: dict[str, list[dict[str, Any]]] = {}
        for key in self.output_keys():
            body = self.s3.get_object(Bucket=self.outputs, Key=key)["Body"].read()
            document = json.loads(body)
            found.setdefault(document["object"]["key"], []).append(document)
        return found

    def assert_each_object_has_its_one_right_result(self) -> None:
        """Exactly one result for each object, made of the bytes that the object has now."""
        results = self.results()
        assert sorted(results) == sorted(self.put_bytes)
        for key, data in self.put_bytes.items():
            assert len(results[key]) == 1, f"{key}: {len(results[key])} results"
            self.assert_right(results[key][0], data)

    @staticmethod
    def assert_right(document: dict[str, Any], data: bytes) -> None:
        embeddings = [face["embedding"] for face in document["faces"]]
        assert embeddings == [stand_in.embedding_of(data)]


@pytest.fixture
def buckets(gateway: RadosGateway, account: Account) -> tuple[Any, str, str]:
    """A client, and an input and an output bucket of new names."""
    s3, name = gateway.client(account), uuid.uuid4().hex[:8]
    for bucket in (f"photos-{name}", f"faces-{name}"):
        s3.create_bucket(Bucket=bucket)
    return s3, f"photos-{name}", f"faces-{name}"


@pytest.fixture
def bench(
    buckets: tuple[Any, str, str],
    proxy: FaultProxy,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    """The function reads and writes through `proxy`, the test itself goes straight to Ceph."""
    s3, inputs, outputs = buckets
    for name in ACCOUNT_VARIABLES:
        monkeypatch.setenv(name, "")  # so that `use` is undone after the test
    connection.use(proxy.url, account)
    service = stand_in.StandIn(stand_in.settings([inputs], outputs, limits=small_limits()))
    return Bench(s3, service, inputs=inputs, outputs=outputs)


def small_limits() -> Any:
    from handler.settings import Limits

    return Limits(image_bytes=1_000_000)
