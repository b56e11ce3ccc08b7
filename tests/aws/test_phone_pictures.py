"""A JPEG and a HEIC of 6 MB each, compared as docs/uploads.md shows it; a bucket of HEIC, embedded.

The buckets are a real S3 server's, the function that of `make serve`, with its own detector and
model; the commands are taken from that page, so that they cannot differ.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.heic_files import encode
from fixtures.servers import connection
from fixtures.servers.radosgw import Account, RadosGateway
from handler.cold_start import start
from handler.faces.service import Service
from handler.storage import clients
from tests import phone_pictures
from tests.aws import events, stand_in
from tests.aws.conftest import ACCOUNT_VARIABLES
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
    answer = json.loads(run(["bash", "-euc", phone_pictures.code_of("sh")], folder, url=url))
    assert answer["same"] is True
    assert [image["width"] for image in answer["images"]] == [3000, 2600]
    assert_empty(uploads)


def embeddings_of(bucket: str, s3: Any) -> dict[str, Any]:
    """Of each object the faces' embeddings that its result holds, by the object's key."""
    found = {}
    for row in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        result = json.loads(s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read())
        vectors = [face["embedding"] for face in result["faces"]]
        found[result["object"]["key"]] = vectors
    return found


def test_a_bucket_of_heic_files_is_embedded_as_their_jpegs_are(
    gateway: RadosGateway, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = phone_pictures.missing()
    if reason:
        not_here(reason)
    for name in ACCOUNT_VARIABLES:
        monkeypatch.setenv(name, "")  # so that `use` is undone after the test
    connection.use(gateway.url, account)
    s3, photos = gateway.client(account), f"photos-{uuid.uuid4().hex[:8]}"
    faces = f"{photos}-faces"
    for bucket in (photos, faces):
        s3.create_bucket(Bucket=bucket)
    monkeypatch.setenv("FACENET_HEIC", "on")
    monkeypatch.setenv("FACENET_INPUT_BUCKETS", photos)
    monkeypatch.setenv("FACENET_OUTPUT", f"s3://{faces}/out/")
    service = start()
    assert isinstance(service, Service)
    counts = {"grace_hopper": 1, "eileen_collins": 1, "two_people": 2}
    for name in counts:
        jpeg = (phone_pictures.PICTURES / f"{name}.jpg").read_bytes()
        heic = encode(jpeg, "-q", "90", suffix="jpg")
        for key, data in ((f"{name}.jpg", jpeg), (f"{name}.heic", heic)):
            s3.put_object(Bucket=photos, Key=key, Body=data)
            stand_in.invoke(service, events.eventbridge(photos, key))
    clients.client.cache_clear()
    found = embeddings_of(faces, s3)
    for name, count in counts.items():
        for one, other in zip(found[f"{name}.heic"], found[f"{name}.jpg"], strict=True):
            assert math.dist(one, other) < 0.5  # strangers are 1.3 apart
        assert len(found[f"{name}.heic"]) == count


@pytest.mark.parametrize("block", [0, 1])
def test_by_python(url: str, folder: Path, uploads: tuple[Any, str], block: int) -> None:
    program = f"url = {url!r}\n" + phone_pictures.code_of("python", block)
    said = run([sys.executable, "-c", program], folder)
    assert said.strip() == "True" or "'same': True" in said
    assert_empty(uploads)
