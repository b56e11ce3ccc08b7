"""Base64 is strict and bounded; embeddings are checked before they are compared."""

import base64
import random
import struct
from collections.abc import Callable

import numpy as np
import pytest

from handler.errors import ApiError
from handler.faces.images import PictureReader, decode_base64, read_embedding
from handler.faces.requests import ImageObject, S3Reference, Source
from handler.settings import Limits, Settings
from handler.storage.reader import ObjectReader
from handler.storage.types import ObjectReference

DATA = bytes(range(256)) * 3
TEXT = base64.b64encode(DATA).decode()


def code_of(text: str, limit: int = 10_000) -> str:
    with pytest.raises(ApiError) as caught:
        decode_base64(text, limit)
    return caught.value.code


class NoObjects(ObjectReader):
    """Fails a test that asks S3."""

    def read(self, reference: ObjectReference, require_time: Callable[[], None]) -> bytes:
        raise AssertionError("S3 was asked")


def read_picture(source: Source, limits: Limits, objects: ObjectReader | None = None) -> bytes:
    reader = PictureReader(limits, objects or NoObjects(Settings()))
    return reader.read(source, lambda: None)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:;BASE64,{TEXT}",
        base64.encodebytes(DATA).decode(),
        f" {TEXT}\r\n",
        f"data:image/jpeg;charset=utf-8;name=a.jpg;base64,{TEXT}",
        f"data:image/jpeg;base64;name=a.jpg,{TEXT}",
        f" data:image/jpeg; base64 ,{TEXT}",
        "data:;base64," + TEXT.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D"),
        base64.encodebytes(DATA).decode().replace("\n", "\r\n   "),
        # echo $(base64 FILE)
        " ".join(base64.encodebytes(DATA).decode().split()),
    ],
)
def test_base64_is_read_bare_as_a_data_uri_and_in_lines(text: str) -> None:
    assert decode_base64(text, 10_000) == DATA


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "YQ",  # padding missing
        "YQ=",
        "YQ===",
        "YQ==YQ==",
        "YQ==\x00",
        "_-_-",  # another alphabet
        "é" * 8,
        "\ud800AAA",
        "data:image/png,YQ==",
        "data:image/png;base64",
        "data:image/png;base64x,YQ==",
        "data:base64,YQ==",
        "https://example.org/face.jpg",
    ],
)
def test_anything_else_is_invalid_base64(text: str) -> None:
    assert code_of(text) == "InvalidBase64"


@pytest.mark.parametrize("what", ["image", "embedding"])
@pytest.mark.parametrize("lost", [1, 2, 4, 40])
def test_base64_whose_plus_became_a_space_says_so(lost: int, what: str) -> None:
    text = "".join(("+" if place % 7 == 5 else "a") for place in range(400))
    damaged = text.replace("+", " ", lost)
    with pytest.raises(ApiError, match=r"InvalidBase64.*%2B") as caught:
        decode_base64(damaged, 10_000, what)
    assert what in caught.value.message


@pytest.mark.parametrize("number", range(200))
def test_no_lost_plus_passes_for_a_picture(number: int) -> None:
    dice = random.Random(number)
    data = dice.randbytes(dice.randrange(60, 400))
    text = base64.b64encode(data).decode()
    damaged = text.replace("+", " ")
    if " " in damaged.strip():
        assert code_of(damaged) == "InvalidBase64"


def test_a_text_that_is_too_long_is_refused_before_it_is_decoded() -> None:
    assert code_of("!" * 1000, limit=100) == "PayloadTooLarge"


def test_a_picture_one_byte_over_the_limit_is_refused() -> None:
    limits = Limits(image_bytes=len(DATA) - 1)
    for source in (TEXT, DATA):
        with pytest.raises(ApiError) as caught:
            read_picture(source, limits)
        assert caught.value.code == "PayloadTooLarge"
        assert caught.value.details == {"limit_bytes": len(DATA) - 1}


def test_an_s3_image_is_read_by_reference() -> None:
    reference = S3Reference(bucket="bucket", key="a key")
    seen: list[ObjectReference] = []

    class OneObject(ObjectReader):
        def read(self, reference: ObjectReference, require_time: Callable[[], None]) -> bytes:
            seen.append(reference)
            return DATA

    assert read_picture(ImageObject(s3=reference), Limits(), OneObject(Settings())) == DATA
    assert seen == [ObjectReference("bucket", "a key")]


def test_an_embedding_is_no_picture() -> None:
    with pytest.raises(ApiError) as caught:
        read_picture(ImageObject(embedding=[1.0]), Limits())
    assert caught.value.code == "InvalidRequest"


class TestEmbeddings:
    @pytest.mark.parametrize(
        "embedding",
        [[3.0, 0, 4.0], base64.b64encode(struct.pack("<3f", 3, 0, 4)).decode(), [3e300, 0, 4e300]],
    )
    def test_numbers_or_base64_become_a_unit_vector(self, embedding: list[float] | str) -> None:
        vector = read_embedding(ImageObject(embedding=embedding, model="m"), "m", 3)
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, [0.6, 0, 0.8], atol=1e-7)

    @pytest.mark.parametrize(
        ("image", "code"),
        [
            (ImageObject(embedding=[1.0, 0, 0], model="other"), "ModelMismatch"),
            (ImageObject(embedding=[1.0, 0], model="m"), "ModelMismatch"),
            (ImageObject(embedding=[]), "ModelMismatch"),
            (ImageObject(embedding=[0.0, 0, 0]), "InvalidRequest"),
            (ImageObject(embedding=[float("inf"), 0, 0]), "InvalidRequest"),
            (ImageObject(embedding=[float("nan"), 0, 0]), "InvalidRequest"),
            (ImageObject(embedding="A" * 100_000), "ModelMismatch"),
            (ImageObject(embedding="AAA="), "InvalidBase64"),
            (ImageObject(embedding="?"), "InvalidBase64"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, image: ImageObject, code: str) -> None:
        with pytest.raises(ApiError) as caught:
            read_embedding(image, "m", 3)
        assert caught.value.code == code
