"""A function that would feed on its own results does not start."""

import pytest

from handler.environment import SettingsError
from handler.settings import Settings

MODEL = {"FACENET_MODEL": "toy"}


@pytest.mark.parametrize("written", ["FACENET_OUTPUT", "FACENET_COLLECTIONS"])
def test_a_place_to_write_in_an_input_bucket_is_refused_at_cold_start(written: str) -> None:
    environment = {
        **MODEL,
        "FACENET_INPUT_BUCKETS": "photos, more-photos",
        written: "s3://photos/results",
    }
    with pytest.raises(SettingsError, match=rf"{written} .*'photos'"):
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
