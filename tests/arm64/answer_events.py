"""Answers event files in one process and prints the answers as JSON, on whichever processor.

python -m tests.arm64.answer_events FILE...
"""

import contextlib
import json
import platform
import sys
from pathlib import Path
from typing import Any


def answer(event: Any) -> Any:
    """The handler's answer, or the kind and text of the failure that it raises."""
    from handler.app import lambda_handler

    try:
        return lambda_handler(event, None)
    except Exception as failure:
        return {"raised": type(failure).__name__, "message": str(failure)}


def deviation() -> float | None:
    """How far the answer to the check chip is from the manifest's, an L2 distance."""
    from handler.app import SERVICE
    from handler.faces.service import BrokenService
    from model_layer.distance import normalise
    from model_layer.model import deviation as measure
    from model_layer.standardize import check_chip

    if isinstance(SERVICE, BrokenService):
        return None
    model = SERVICE.model
    vector = normalise(model.answer_raw(check_chip(model.input_size)[None]))[0]
    return measure(vector, model.manifest.check[model.precision])


def main(files: list[str]) -> None:
    from handler.http import source

    source.PATIENCE_SECONDS.clear()  # qemu takes minutes for what takes a processor a second
    with contextlib.redirect_stdout(sys.stderr):  # the handler's log
        answers = {Path(name).stem: answer(json.loads(Path(name).read_bytes())) for name in files}
        document = {"machine": platform.machine(), "answers": answers, "deviation": deviation()}
    print(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
