"""A request is checked as a whole before any picture is touched, and refusals name the field."""

import json
from typing import Any

import pytest

from handler.errors import ApiError
from handler.faces.requests import from_fields, parse_json, parse_object
from handler.settings import Limits

LIMITS = Limits(images=3)


def refusal(body: Any, operation: str | None = "compare") -> ApiError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as caught:
        parse_json(data, LIMITS, operation)
    return caught.value


def test_a_plain_uai_payload_is_a_request() -> None:
    job = parse_json(b'{"cnt": 2, "images": ["YQ==", "Yg=="]}', LIMITS, "compare")
    assert job.sources == ("YQ==", "Yg==")
    assert (job.operation, job.rule, job.options.encoding) == ("compare", "largest", "float")


@pytest.mark.parametrize(("count", "operation"), [(1, "embed"), (2, "compare"), (3, "embed")])
def test_without_an_operation_two_images_mean_compare(count: int, operation: str) -> None:
    assert parse_object({"images": ["YQ=="] * count}, LIMITS).operation == operation


def test_detect_looks_at_every_face_by_default() -> None:
    assert parse_object({"operation": "detect", "images": ["YQ=="]}, LIMITS).rule == "all"
    chosen = {"operation": "detect", "images": ["YQ=="], "face": "central"}
    assert parse_object(chosen, LIMITS).rule == "central"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"aligned": "false"}, "aligned"),
        ({"aligned": 0}, "aligned"),
        ({"flip": "true"}, "flip"),
        ({"cnt": "2"}, "cnt"),
        ({"cnt": 2.0}, "cnt"),
        ({"cnt": True}, "cnt"),
        ({"threshold": "1.1"}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": 2.1}, "threshold"),
        ({"face": "biggest"}, "face"),
        ({"encoding": "hex"}, "encoding"),
        ({"profile": "other"}, "profile"),
        ({"min_quality": 1.5}, "min_quality"),
        ({"min_quality": {"yaw": -1}}, "min_quality.yaw"),
        ({"min_quality": {"colour": 1}}, "min_quality.colour"),
        ({"treshold": 1.1}, "treshold"),
        ({"images": "YQ=="}, "images"),
        ({"images": []}, "images"),
        ({"images": ["YQ=="]}, "images"),
        ({"images": ["YQ==", 7]}, "images[1]"),
        ({"images": ["YQ==", {}]}, "images[1]"),
        ({"images": ["YQ==", {"url": "https://example.org"}]}, "images[1].url"),
        ({"images": ["YQ==", {"s3": {"bucket": "bucket"}}]}, "images[1].s3.key"),
        ({"images": ["YQ==", {"s3": {"bucket": 5, "key": "k"}}]}, "images[1].s3.bucket"),
        ({"images": ["YQ==", {"s3": None}]}, "images[1].s3"),
        ({"images": ["YQ==", {"embedding": ["x"]}]}, "images[1].embedding[0]"),
        (
            {"images": ["YQ==", {"s3": {"bucket": "bucket", "key": "k"}, "embedding": [1]}]},
            "images[1]",
        ),
        (
            {"images": ["YQ==", {"s3": {"bucket": "bucket", "key": "k"}, "model": "m"}]},
            "images[1]",
        ),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    error = refusal({"images": ["YQ==", "Yg=="], **change})
    assert error.code == "InvalidRequest"
    assert error.details == {"field": field}
    assert error.message.startswith(f"{field}: ")


def test_missing_images_are_named() -> None:
    assert refusal({"cnt": 2}).details == {"field": "images"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe{}", b"[1]", b"null", b'"text"', b"NaN", b"[" * 100_000],
)
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    assert refusal(body).code == "InvalidRequest"


def test_not_a_number_is_refused_even_where_the_runtime_let_it_through() -> None:
    with pytest.raises(ApiError) as caught:
        parse_object({"images": ["YQ==", "Yg=="], "threshold": float("nan")}, LIMITS)
    assert caught.value.details == {"field": "threshold"}


@pytest.mark.parametrize("count", [0, 1, 3, -2, 10**30])
def test_cnt_must_be_the_number_of_images(count: int) -> None:
    error = refusal({"cnt": count, "images": ["YQ==", "Yg=="]})
    assert (error.code, error.details) == ("CountMismatch", {"images": 2})


def test_more_images_than_allowed_are_too_large_a_payload() -> None:
    error = refusal({"images": ["YQ=="] * 4})
    assert (error.code, error.details) == ("PayloadTooLarge", {"images": 4, "limit": 3})


def test_an_unknown_operation_has_its_own_code() -> None:
    with pytest.raises(ApiError) as caught:
        parse_object({"operation": "delete", "images": ["YQ=="]}, LIMITS)
    assert caught.value.code == "UnknownOperation"


def test_the_path_and_the_body_cannot_disagree() -> None:
    body = {"operation": "detect", "images": ["YQ==", "Yg=="]}
    assert refusal(body, "compare").code == "InvalidRequest"
    assert parse_json(json.dumps(body).encode(), LIMITS, "detect").operation == "detect"


class TestFieldsAsText:
    """Query parameters and form fields are text; "false" is false there, and only there."""

    def test_text_becomes_what_the_option_wants(self) -> None:
        fields = {"aligned": "false", "flip": "true", "threshold": "0.9", "cnt": "1"}
        options = from_fields([b"x"], fields, LIMITS, "embed").options
        assert (options.aligned, options.flip, options.threshold) == (False, True, 0.9)

    @pytest.mark.parametrize(
        "fields", [{"aligned": "nein"}, {"threshold": "nan"}, {"color": "red"}, {"images": "YQ=="}]
    )
    def test_a_wrong_field_is_named(self, fields: dict[str, str]) -> None:
        with pytest.raises(ApiError) as caught:
            from_fields([b"x"], fields, LIMITS, "embed")
        assert caught.value.details == {"field": next(iter(fields))}

    def test_cnt_counts_the_pictures(self) -> None:
        with pytest.raises(ApiError) as caught:
            from_fields([b"x"], {"cnt": "2"}, LIMITS, "embed")
        assert caught.value.code == "CountMismatch"

    def test_no_picture_is_no_request(self) -> None:
        with pytest.raises(ApiError) as caught:
            from_fields([], {}, LIMITS, "embed")
        assert caught.value.details == {"field": "images"}
