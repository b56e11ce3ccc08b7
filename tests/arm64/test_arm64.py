"""The function on arm64, as Graviton2 runs it, against the same on this processor."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model_layer.files import MODELS as BUNDLED_MODELS
from model_layer.files import bundled_models
from model_layer.model import CHECK_TOLERANCE
from tests.arm64 import machine
from tests.arm64.comparison import differences
from tests.needs import not_here

PROGRAM = "tests.arm64.answer_events"
EVENTS = sorted((machine.ROOT / "events").glob("*.json"))
BUNDLED = BUNDLED_MODELS / bundled_models()[0]
PROCESSES = 2  # as many as there are processors in CI


@pytest.fixture(scope="module")
def arm64() -> None:
    try:
        machine.prepare()
    except machine.MachineError as reason:
        not_here(f"no arm64 machine: {reason}")


def variables(model: Path) -> dict[str, str]:
    return {"FACENET_MODEL": str(model), "FACENET_THREADS": "1"}


def here(model: Path) -> Any:
    """The answers of this machine's own processor."""
    return json.loads(machine.run_here([PROGRAM, *map(str, EVENTS)], **variables(model)))


def there(model: Path, cpu: str, files: list[Path]) -> Any:
    """The answers of an emulated processor, the events dealt out to some processes."""
    dealt = [files[start::PROCESSES] for start in range(PROCESSES)]

    def ask(part: list[Path]) -> Any:
        return json.loads(machine.run([PROGRAM, *map(str, part)], cpu, **variables(model)))

    with ThreadPoolExecutor(PROCESSES) as pool:
        documents = list(pool.map(ask, filter(None, dealt)))
    answers = {name: answer for each in documents for name, answer in each["answers"].items()}
    return {**documents[0], "answers": answers}


@pytest.fixture(params=["bundled", "FaceNet"])
def model(request: pytest.FixtureRequest) -> Path:
    """The bundled model; FaceNet 20180402-114759, imported from the weights in ../shared."""
    return BUNDLED if request.param == "bundled" else request.getfixturevalue("facenet")


def test_every_event_is_answered_as_on_this_processor(arm64: None, model: Path) -> None:
    native, graviton = here(model), there(model, machine.GRAVITON2, EVENTS)
    assert graviton["machine"] == "aarch64"
    assert sorted(native["answers"]) == sorted(graviton["answers"])
    found = [
        f"{name}{line}"
        for name, answer in native["answers"].items()
        for line in differences(answer, graviton["answers"][name])
    ]
    assert not found
    assert native["deviation"] <= CHECK_TOLERANCE
    assert graviton["deviation"] <= CHECK_TOLERANCE
    print(
        f"{len(EVENTS)} events as here; check chip {native['deviation']:.5f} off here,"
        f" {graviton['deviation']:.5f} on arm64"
    )


def test_a_processor_on_which_kernels_go_wrong_is_never_believed(arm64: None) -> None:
    """With `-cpu max` of qemu 7.2 the int8 network takes two strangers for one person."""
    event = machine.ROOT / "events/compare-different.json"
    everything = there(BUNDLED, machine.EVERYTHING, [event])
    answer = everything["answers"]["compare-different"]
    print(f"-cpu max: deviation {everything['deviation']}, {json.dumps(answer)[:300]}")
    if everything["deviation"] is None:
        assert "ModelUnavailable" in json.dumps(answer)
    else:
        assert everything["deviation"] <= CHECK_TOLERANCE
        assert answer["same"] is False
