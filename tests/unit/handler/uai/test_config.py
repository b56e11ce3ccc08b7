"""The conf file of the UAI example chooses what /service does, and the model."""

import json
from pathlib import Path
from typing import Any

import pytest

from handler.environment import SettingsError
from handler.settings import Settings
from handler.uai.config import load_settings


def read(**variables: str) -> Settings:
    return load_settings({"FACENET_MODEL": "some-model", **variables})


class TestUaiConfFile:
    """UAI_SERVICE_CONFIG names the example's own conf file."""

    def write(self, folder: Path, **server: Any) -> str:
        path = folder / "conf.json"
        path.write_text(json.dumps({"http_server": server}))
        return str(path)

    def test_main_class_and_model_are_taken_from_it(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path,
            exec={"main_class": "FaceEmbedModel", "main_file": "facenet_inference"},
            tensorflow={"model_dir": "./checkpoint_dir"},
        )
        conf = read(UAI_SERVICE_CONFIG=path)
        assert conf.uai_main_class == "FaceEmbedModel"
        assert Path(conf.model) == tmp_path / "checkpoint_dir"

    def test_an_empty_model_dir_leaves_the_model_alone(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path, exec={"main_class": "FaceDetectionModel"}, tensorflow={"model_dir": ""}
        )
        assert read(UAI_SERVICE_CONFIG=path).model == "some-model"

    def test_an_unknown_main_class_is_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, exec={"main_class": "CatModel"})
        with pytest.raises(SettingsError, match=r"UAI_SERVICE_CONFIG.*main_class"):
            read(UAI_SERVICE_CONFIG=path)

    def test_a_file_that_is_missing_is_refused(self) -> None:
        with pytest.raises(SettingsError, match=r"UAI_SERVICE_CONFIG.*readable"):
            read(UAI_SERVICE_CONFIG="/nowhere/conf.json")
