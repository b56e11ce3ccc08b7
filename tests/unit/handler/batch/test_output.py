"""A result's name depends on what was read, and its content on nothing else."""

import json

import pytest

from handler.batch.output import Output
from handler.errors import ApiError
from handler.storage.types import ObjectReference, StoredObject
from tests.unit.handler.batch.fakes import MODEL, embed_pictures

OUTPUT = Output("faces", "results/2026", MODEL)
REFERENCE = ObjectReference("photos", "a b+c/ü.jpg")


def picture(etag: str = "read", version_id: str | None = None) -> StoredObject:
    return StoredObject(etag, version_id, 3, b"abc")


def test_key_is_made_of_bucket_key_etag_and_model() -> None:
    key = OUTPUT.key(REFERENCE, picture())
    assert key == "results/2026/photos/a b+c/ü.jpg/read.tiny@0123456789ab.json"


def test_version_comes_before_etag() -> None:
    assert OUTPUT.key(REFERENCE, picture(version_id="v7")).endswith("/v7.tiny@0123456789ab.json")


@pytest.mark.parametrize("version", ["null", "", None])
def test_replaceable_version_is_no_identity(version: str | None) -> None:
    assert OUTPUT.key(REFERENCE, picture(version_id=version)).endswith(
        "/read.tiny@0123456789ab.json"
    )


def test_key_too_long_for_s3_is_replaced_by_its_digest() -> None:
    longest = [ObjectReference("photos", letter * 512) for letter in "äö"]
    keys = [OUTPUT.key(reference, picture()) for reference in longest]
    assert all(len(key.encode()) <= 1024 for key in keys)
    assert keys[0].startswith("results/2026/photos/_sha256/")
    assert keys[0] != keys[1]


def test_prefix_may_be_empty() -> None:
    output = Output("faces", "", MODEL)
    assert output.key(REFERENCE, picture()).startswith("photos/")
    assert output.holds(ObjectReference("faces", "anything"))


def test_own_results_are_recognised_by_whole_prefix() -> None:
    assert OUTPUT.holds(ObjectReference("faces", "results/2026/x"))
    assert not OUTPUT.holds(ObjectReference("faces", "results/2026b/x"))
    assert not OUTPUT.holds(ObjectReference("photos", "results/2026/x"))


def test_document_says_what_was_read_by_which_model_and_where_the_faces_are() -> None:
    answer = embed_pictures([b"abc"])[0]
    document = json.loads(OUTPUT.document(REFERENCE, picture(version_id="v7"), answer))
    assert document["object"] == {
        "bucket": "photos",
        "key": "a b+c/ü.jpg",
        "version_id": "v7",
        "etag": "read",
        "size": 3,
    }
    assert document["model"] == MODEL
    assert (document["width"], document["height"]) == (40, 30)
    face = document["faces"][0]
    assert face["box"] == {"left": 0.0, "top": 1.0, "width": 10.0, "height": 10.0}
    assert {"landmarks", "score", "quality", "embedding"} <= set(face)
    assert len(face["embedding"]) == MODEL["dimension"]


def test_same_object_gives_the_same_document() -> None:
    answers = [embed_pictures([b"abc"])[0] for _ in range(2)]
    first, second = (OUTPUT.document(REFERENCE, picture(), answer) for answer in answers)
    assert first == second


def test_error_is_a_result_without_faces() -> None:
    error = ApiError("ImageTooLarge", "Too many pixels.", details={"limit": 5})
    document = json.loads(OUTPUT.document(REFERENCE, picture(), error))
    assert document["faces"] == []
    assert document["error"]["details"] == {"limit": 5}
    assert "request_id" not in document
