"""The environment is read once, checked, and every refusal names its variable."""

import os

import pytest

from handler import settings as module
from handler.environment import Location, SettingsError
from handler.settings import Limits, Settings, available_threads

MODEL = {"FACENET_MODEL": "some-model"}


def read(**variables: str) -> Settings:
    return Settings.from_environment({**MODEL, **variables})


def test_an_empty_environment_is_closed_and_bounded() -> None:
    plain = read()
    assert plain.input_buckets == frozenset()
    assert plain.cors_origins == frozenset()
    assert plain.page is False
    assert plain.rekognition is False
    assert plain.limits == Limits()
    assert plain.engine == "litert"
    assert plain.detector == "fast"
    assert plain.precision is None


def test_every_variable_reaches_its_field() -> None:
    full = read(
        FACENET_ENGINE="tensorflow",
        FACENET_PRECISION="float32",
        FACENET_DETECTOR="exact",
        FACENET_MIN_FACE="0.2",
        FACENET_THREADS="3",
        FACENET_FAR="0.0001",
        FACENET_CHIPS_PER_BATCH="8",
        FACENET_INPUT_BUCKETS="one, two,",
        FACENET_EXPECTED_BUCKET_OWNER="123456789012",
        FACENET_OUTPUT="s3://results/faces/2026/",
        FACENET_OUTPUT_OWNER="210987654321",
        FACENET_MAX_BODY_BYTES="1000",
        FACENET_MAX_RESPONSE_BYTES="2000",
        FACENET_MAX_IMAGES="4",
        FACENET_MAX_IMAGE_BYTES="500",
        FACENET_MAX_PIXELS="600",
        FACENET_MAX_FACES="7",
        FACENET_TIME_RESERVE_MS="0",
        FACENET_BASE_PATH="/faces/",
        FACENET_CORS_ORIGINS="https://example.org",
        FACENET_PAGE="true",
        FACENET_REKOGNITION="on",
        FACENET_METRICS_NAMESPACE="faces",
    )
    assert full == Settings(
        model="some-model",
        engine="tensorflow",
        precision="float32",
        detector="exact",
        min_face=0.2,
        threads=3,
        far=0.0001,
        chips_per_batch=8,
        input_buckets=frozenset({"one", "two"}),
        bucket_owner="123456789012",
        output=Location("results", "faces/2026"),
        output_owner="210987654321",
        limits=Limits(1000, 2000, 4, 500, 600, 7, 0),
        base_path="faces",
        cors_origins=frozenset({"https://example.org"}),
        page=True,
        rekognition=True,
        metrics_namespace="faces",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACENET_ENGINE", "onnx"),
        ("FACENET_PRECISION", "int4"),
        ("FACENET_DETECTOR", "slow"),
        ("FACENET_MIN_FACE", "0"),
        ("FACENET_MIN_FACE", "nan"),
        ("FACENET_MIN_FACE", "small"),
        ("FACENET_FAR", "0"),
        ("FACENET_FAR", "1"),
        ("FACENET_FAR", "nan"),
        ("FACENET_FAR", "best_group"),
        ("FACENET_THREADS", "0"),
        ("FACENET_THREADS", "two"),
        ("FACENET_THREADS", "²"),
        ("FACENET_CHIPS_PER_BATCH", "-1"),
        ("FACENET_EXPECTED_BUCKET_OWNER", "me"),
        ("FACENET_OUTPUT", "results/faces"),
        ("FACENET_OUTPUT", "s3://"),
        ("FACENET_MAX_IMAGES", "0"),
        ("FACENET_MAX_PIXELS", "1e6"),
        ("FACENET_MAX_BODY_BYTES", "9" * 30),
        ("FACENET_PAGE", "maybe"),
        ("FACENET_REKOGNITION", "maybe"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be "):
        read(**{name: value})


def test_without_a_model_the_only_bundled_one_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "bundled_models", lambda: ["small"])
    assert Settings.from_environment({}).model == "small"


@pytest.mark.parametrize("bundled", [[], ["one", "two"]])
def test_without_a_model_and_without_one_to_mean_the_variable_is_named(
    bundled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "bundled_models", lambda: bundled)
    with pytest.raises(SettingsError, match="FACENET_MODEL"):
        Settings.from_environment({})


@pytest.mark.parametrize(
    ("memory", "threads"), [("128", 1), ("1769", 1), ("1770", 2), ("3538", 2), ("10240", 6)]
)
def test_threads_follow_the_memory_size(
    memory: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert available_threads({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}) == threads


@pytest.mark.parametrize(
    ("memory", "reserve_ms"), [("512", 1728), ("1769", 500), ("3538", 500), ("", 500), ("0", 500)]
)
def test_a_part_of_a_processor_needs_more_time_to_answer(memory: str, reserve_ms: int) -> None:
    limits = read(AWS_LAMBDA_FUNCTION_MEMORY_SIZE=memory).limits
    assert limits.time_reserve_ms == reserve_ms
    assert limits.slowness == pytest.approx(reserve_ms / 500, abs=0.001)


@pytest.mark.parametrize(
    ("text", "page"), [("on", True), ("TRUE", True), ("1", True), ("off", False), ("no", False)]
)
def test_a_switch_is_on_or_off(text: str, page: bool) -> None:
    assert read(FACENET_PAGE=text).page is page


@pytest.mark.parametrize(("text", "page"), [("on", True), ("off", False), ("maybe", False)])
def test_the_page_is_there_to_say_what_another_setting_broke(text: str, page: bool) -> None:
    broken = {"FACENET_PAGE": text, "FACENET_THREADS": "many"}
    assert Settings.for_refusals(broken).page is page


def test_threads_never_exceed_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert available_threads({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}) == 2
    assert available_threads({}) == 2


def test_lambda_carries_six_megabytes_each_way() -> None:
    assert Limits().body_bytes == Limits().response_bytes == 6 * 1024 * 1024


def test_heic_without_its_decoder_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("align.can_decode_heic", lambda: False)
    assert read(FACENET_HEIC="off").heic is False
    with pytest.raises(SettingsError, match="FACENET_HEIC is on, but the package pi-heif"):
        read(FACENET_HEIC="on")
    monkeypatch.setattr("align.can_decode_heic", lambda: True)
    assert read(FACENET_HEIC="on").heic is True


@pytest.mark.parametrize("other", ["FACENET_INPUT_BUCKETS", "FACENET_OUTPUT"])
def test_an_upload_bucket_is_for_uploads_alone(other: str) -> None:
    assert read(FACENET_UPLOADS="mine").uploads == "mine"
    with pytest.raises(SettingsError, match="FACENET_UPLOADS"):
        read(FACENET_UPLOADS="mine", **{other: "s3://mine/x" if "OUT" in other else "mine"})
