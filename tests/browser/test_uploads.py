"""A JPEG and a HEIC of 6 MB each, compared on the page through an upload bucket."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.servers.radosgw import Account, RadosGateway
from tests import phone_pictures
from tests.aws.conftest import account, gateway  # noqa: F401 - fixtures
from tests.browser.conftest import serve
from tests.needs import not_here

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def bucket(gateway: RadosGateway, account: Account) -> tuple[Any, str]:  # noqa: F811
    """A client, and a bucket that takes forms from any page, as the template's does."""
    s3, name = gateway.client(account), f"uploads-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    rule = {"AllowedMethods": ["POST"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    return s3, name


@pytest.fixture(scope="module")
def with_uploads(
    gateway: RadosGateway,  # noqa: F811
    account: Account,  # noqa: F811
    bucket: tuple[Any, str],
) -> Iterator[str]:
    """The address of a server with an upload bucket, and HEIC on."""
    yield from serve(
        FACENET_UPLOADS=bucket[1],
        FACENET_HEIC="on",
        AWS_ENDPOINT_URL_S3=gateway.url,
        AWS_ACCESS_KEY_ID=account.access_key,
        AWS_SECRET_ACCESS_KEY=account.secret_key,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
    )


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    reason = phone_pictures.missing()
    if reason:
        not_here(reason)
    folder = tmp_path_factory.mktemp("photographs")
    paths = [folder / "a.jpg", folder / "b.heic"]
    for path, data in zip(paths, (phone_pictures.jpeg(), phone_pictures.heic()), strict=True):
        assert len(data) > phone_pictures.MEGABYTES * 1_000_000
        path.write_bytes(data)
    return paths


def test_two_photographs_of_six_megabytes_are_compared(
    open_page: Callable[..., "Page"],
    with_uploads: str,
    bucket: tuple[Any, str],
    photographs: list[Path],
) -> None:
    page = open_page(base=with_uploads)
    inputs = page.locator("#pair input[type=file]")
    inputs.nth(0).set_input_files(photographs[0])
    with page.expect_response("**/v1/compare", timeout=90_000) as answered:
        inputs.nth(1).set_input_files(photographs[1])
    answer = answered.value.json()
    assert answer["same"] is True
    assert [image["width"] for image in answer["images"]] == [3000, 2600]
    sync_api.expect(page.locator("#compare-result h2")).to_have_text("Same person")
    sync_api.expect(page.locator("#pair")).to_contain_text("uploaded; gone after a day")
    s3, name = bucket
    assert len(s3.list_objects_v2(Bucket=name)["Contents"]) == 2


def test_without_a_bucket_a_large_photograph_is_made_smaller(
    open_page: Callable[..., "Page"], photographs: list[Path]
) -> None:
    page = open_page("#embed")
    with page.expect_response("**/v1/embed", timeout=90_000) as answered:
        page.locator("#single input[type=file]").set_input_files(photographs[0])
    assert answered.value.json()["images"][0]["width"] == 1600
    sync_api.expect(page.locator("#single")).to_contain_text("made smaller here")
