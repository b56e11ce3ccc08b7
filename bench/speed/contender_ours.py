"""This project, through the handler as API Gateway calls it: base64 in, JSON out.

options: {"environment": {"FACENET_MODEL": ..., "FACENET_PRECISION": ..., ...}}
"""

import base64
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.speed.worker import BATCH


def make_event(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """An HTTP API (payload 2.0) event, with no more in it than the handler reads."""
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}, "requestId": "bench"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def answer_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The handler's response; raises RuntimeError for any error."""
    from handler.app import lambda_handler

    response: dict[str, Any] = lambda_handler(event, None)
    if response["statusCode"] != 200:
        raise RuntimeError(response["body"])
    return response


def load(pictures: Path, options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Start the handler cold and return {scenario: callable}."""
    os.environ.update(options["environment"])
    files = json.loads((pictures / "scenarios.json").read_text())

    def images(scenario: str) -> list[str]:
        contents = [(pictures / name).read_bytes() for name in files[scenario]]
        return [base64.b64encode(content).decode() for content in contents]

    compare = make_event("/v1/compare", {"images": images("compare")})
    detect = make_event("/v1/detect", {"images": images("detect")})
    group = make_event("/v1/embed", {"images": images("group"), "face": "all"})
    answer_event(compare)
    return {
        "compare": lambda: len(answer_event(compare)["body"]),
        "compare_timings": lambda: json.loads(answer_event(compare)["body"])["timings_ms"],
        "detect": lambda: _count_faces(answer_event(detect)),
        "group": lambda: _count_faces(answer_event(group)),
        "batch": _embed_pictures,
        "chips": _embed_batch(),
    }


def _count_faces(response: dict[str, Any]) -> int:
    return len(json.loads(response["body"])["images"][0]["faces"])


def _embed_pictures() -> int:
    """A group of a batch: bytes in memory to embeddings."""
    from handler.app import SERVICE
    from handler.faces.service import ready

    return len(ready(SERVICE).embed_pictures(_group_of_a_batch()))


@cache
def _group_of_a_batch() -> list[bytes]:
    from bench.batch_pictures import make_pictures  # for the one bench that measures batches

    return list(make_pictures(16, side=640).values())[8:]  # the first ones have no face


def _embed_batch() -> Callable[[], int]:
    from handler import settings as handler_settings
    from model_layer import load as load_model

    settings = handler_settings.Settings.from_environment()
    model = load_model(settings.model, precision=settings.precision, threads=settings.threads)
    shape = (BATCH, model.input_size, model.input_size, 3)
    chips = np.random.default_rng(3).integers(0, 255, shape, np.uint8)
    return lambda: len(model.embed(chips))
