"""A function that would feed on its own results does not start."""

import pytest

from handler.settings import Settings, SettingsError

MODEL = {"FACENET_MODEL": "toy"}


def test_output_in_an_input_bucket_is_refused_at_cold_start() -> None:
    environment = {
        **MODEL,
        "FACENET_INPUT_BUCKETS": "photos, more-photos",
        "FACENET_OUTPUT": "s3://photos/results",
    }
    with pytest.raises(SettingsError, match=r"FACENET_OUTPUT .*'photos'"):
        Settings.from_environment(environment)


def test_output_elsewhere_is_fine() -> None:
    environment = {
        **MODEL,
        "FACENET_INPUT_BUCKETS": "photos",
        "FACENET_OUTPUT": "s3://faces/results/",
    }
    settings = Settings.from_environment(environment)
    assert settings.output is not None
    assert settings.output.prefix == "results"
