"""The UAI example's conf file, named by UAI_SERVICE_CONFIG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MainClass = Literal[
    "FaceCompareModel", "FaceEmbedModel", "FaceEmbedModelAutoBatch", "FaceDetectionModel"
]


class _Exec(Struct, frozen=True):
    main_class: MainClass


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

    main_class: MainClass = "FaceCompareModel"
    model_dir: str | None = None


def read_config(path: Path) -> UaiConfig:
    """Reads a conf file; a relative `model_dir` is beside the file, as it was in the example.

    Raises ValueError saying what the variable must name.
    """
    try:
        server = msgspec.json.decode(path.read_bytes(), type=_ConfFile).http_server
    except OSError:
        raise ValueError("a readable UAI conf file") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise ValueError(f"a UAI conf file ({failure})") from None
    folder = server.tensorflow.model_dir
    return UaiConfig(server.exec.main_class, str(path.parent / folder) if folder else None)
