"""A JPEG and a HEIC of 6 MB each, compared as docs/uploads.md shows it.

The bucket is a real S3 server's, the function that of `make serve`; the commands are taken
from that page, so that they cannot differ.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.servers.radosgw import Account, RadosGateway
from tests import phone_pictures
from tests.browser.conftest import serve
from tests.needs import not_here

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def uploads(gateway: RadosGateway, account: Account) -> tuple[Any, str]:
    """A client and the name of an empty bucket."""
    s3, bucket = gateway.client(account), f"uploads-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    return s3, bucket


@pytest.fixture(scope="module")
def url(gateway: RadosGateway, account: Account, uploads: tuple[Any, str]) -> Iterator[str]:
    """The function's server, with both settings on."""
    for address in serve(
        FACENET_UPLOADS=uploads[1],
        FACENET_HEIC="on",
        AWS_ENDPOINT_URL_S3=gateway.url,
        AWS_ACCESS_KEY_ID=account.access_key,
        AWS_SECRET_ACCESS_KEY=account.secret_key,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
    ):
        yield address.rstrip("/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.jpg and b.heic, more than 6 MB each."""
    reason = phone_pictures.missing()
    if reason:
        not_here(reason)
    made = tmp_path_factory.mktemp("photographs")
    for name, data in (("a.jpg", phone_pictures.jpeg()), ("b.heic", phone_pictures.heic())):
        assert len(data) > phone_pictures.MEGABYTES * 1_000_000
        (made / name).write_bytes(data)
    return made


def code_of(language: str, number: int = 0) -> str:
    """A block of code of the page."""
    text = (ROOT / "docs/uploads.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def run(command: list[str], folder: Path, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def assert_empty(uploads: tuple[Any, str]) -> None:
    s3, bucket = uploads
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_by_curl(url: str, folder: Path, uploads: tuple[Any, str]) -> None:
    for program in ("bash", "curl", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    answer = json.loads(run(["bash", "-euc", code_of("sh")], folder, url=url))
    assert answer["same"] is True
    assert [image["width"] for image in answer["images"]] == [3000, 2600]
    assert_empty(uploads)


@pytest.mark.parametrize("block", [0, 1])
def test_by_python(url: str, folder: Path, uploads: tuple[Any, str], block: int) -> None:
    program = f"url = {url!r}\n" + code_of("python", block)
    said = run([sys.executable, "-c", program], folder)
    assert said.strip() == "True" or "'same': True" in said
    assert_empty(uploads)
