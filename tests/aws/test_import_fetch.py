"""Downloads of the importer from S3, as moto has it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import moto
import pytest

from tools.import_model import fetch
from tools.import_model.errors import ImportFailed


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        for key in ("v1/model.meta", "v1/model.ckpt-1.index", "v1/", "v2/other.pb"):
            client.put_object(Bucket="models", Key=key, Body=key.encode())
        yield "models"


def test_one_object_is_downloaded(bucket: str, tmp_path: Path) -> None:
    path = fetch.fetch(f"s3://{bucket}/v2/other.pb", tmp_path, 1000)

    assert path.read_bytes() == b"v2/other.pb"


def test_a_key_that_ends_in_a_slash_is_a_folder(bucket: str, tmp_path: Path) -> None:
    folder = fetch.fetch(f"s3://{bucket}/v1/", tmp_path, 1000)

    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "model.meta": "v1/model.meta",
        "model.ckpt-1.index": "v1/model.ckpt-1.index",
    }


def test_objects_land_below_the_work_folder_whatever_their_key(bucket: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "x.pb"
    for key in (f"m/{outside}", "m/../../outside/x.pb"):
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")

    folder = fetch.fetch(f"s3://{bucket}/m/", tmp_path / "work", 1000)

    assert not outside.exists()
    assert [path.name for path in folder.rglob("*.pb")] == ["x.pb"]


@pytest.mark.parametrize(
    ("key", "message"), [("v2/absent.pb", "check credentials"), ("v1/", "larger than 20 bytes")]
)
def test_what_cannot_be_downloaded_is_said(
    bucket: str, tmp_path: Path, key: str, message: str
) -> None:
    with pytest.raises(ImportFailed, match=message):
        fetch.fetch(f"s3://{bucket}/{key}", tmp_path, 20)


def test_an_empty_object_is_a_file_too(bucket: str, tmp_path: Path) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key="v2/checkpoint", Body=b"")
    folder = fetch.fetch(f"s3://{bucket}/v2/", tmp_path, 1000)
    assert {path.name for path in folder.iterdir()} == {"checkpoint", "other.pb"}
