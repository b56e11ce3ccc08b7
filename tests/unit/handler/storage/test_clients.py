"""How the S3 client talks."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.awsrequest import AWSResponse

from handler.storage import clients


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    clients.client.cache_clear()
    yield clients.client()
    clients.client.cache_clear()


def test_a_result_is_sent_without_asking_first(s3: Any) -> None:
    sent = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, urllib3.HTTPResponse(io.BytesIO()))

    s3.meta.events.register("before-send.s3.PutObject", answer)
    s3.put_object(Bucket="results", Key="a.json", Body=b"{}")
    (request,) = sent
    assert "Expect" not in request.headers
