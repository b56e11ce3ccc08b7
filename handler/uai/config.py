"""The UAI example's conf file, named by UAI_SERVICE_CONFIG."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from handler.environment import Environment, read_variable
from handler.settings import Settings, UaiMainClass


class _Exec(Struct, frozen=True):
    main_class: UaiMainClass


class _Tensorflow(Struct, frozen=True):
    model_dir: Annotated[str, Meta(max_length=4096)] = ""


class _HttpServer(Struct, frozen=True):
    exec: _Exec
    tensorflow: _Tensorflow = _Tensorflow()


class _ConfFile(Struct, frozen=True):
    http_server: _HttpServer


@dataclass(frozen=True)
class UaiConfig:
    """What `/service` does, and the model folder it names, if any."""

    main_class: UaiMainClass = "FaceCompareModel"
    model_dir: str | None = None


def load_settings(environment: Environment | None = None) -> Settings:
    """The settings, with what the conf file in UAI_SERVICE_CONFIG says, if it is set.

    Raises SettingsError, which names the variable and what it may hold.
    """
    source = os.environ if environment is None else environment
    config = read_variable(source, "UAI_SERVICE_CONFIG", read_config, UaiConfig())
    return Settings.from_environment(
        source, model=config.model_dir, uai_main_class=config.main_class
    )


def read_config(name: str) -> UaiConfig:
    """Reads a conf file; a relative `model_dir` is beside the file, as it was in the example.

    Raises ValueError saying what the variable must name.
    """
    path = Path(name)
    try:
        server = msgspec.json.decode(path.read_bytes(), type=_ConfFile).http_server
    except OSError:
        raise ValueError("a readable UAI conf file") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise ValueError(f"a UAI conf file ({failure})") from None
    folder = server.tensorflow.model_dir
    return UaiConfig(server.exec.main_class, str(path.parent / folder) if folder else None)
