"""A model of one's own, as docs/models.md says: imported below the code, and deployed by name."""

import base64
import importlib.util
import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import model_layer
from tests.deploy.callers import Endpoint, allow, make_user
from tests.deploy.emulator import ROOT, Emulator
from tests.deploy.report import REPORT
from tests.deploy.stack import Stack

NETWORK = "face-reidentification-retail-0095"
NAME = "0095"
# What the Dockerfile copies, and the module that stands in for Lambda.
CODE = ("handler", "align", "model_layer")
STAND_IN = Path("tests/deploy/function_process.py")


@pytest.fixture(scope="module")
def code(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function's code as it is in the image, with the model imported below it."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs TensorFlow, which imports the model (make test-all installs it)")
    task = tmp_path_factory.mktemp("task")
    for name in CODE:
        shutil.copytree(ROOT / name, task / name, ignore=shutil.ignore_patterns("__pycache__"))
    (task / STAND_IN).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / STAND_IN, task / STAND_IN)
    source = shared / "models" / NETWORK / f"{NETWORK}.xml"
    words = [str(source), "--out", str(task / "model_layer/models" / NAME), "--no-frozen-graph"]
    done = subprocess.run(
        [sys.executable, "-m", "tools.import_model", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return task


@dataclass(frozen=True)
class Deployed:
    """The stack with `Model=0095`, called by a user who may call it and nothing else."""

    endpoint: Endpoint
    user: Any
    folder: Path

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        answer = self.endpoint.signed(self.user.credentials, method, path, content)
        document: dict[str, Any] = json.loads(answer.body)
        assert answer.status == 200, document
        return document


@pytest.fixture(scope="module")
def deployed(
    emulator: Emulator, stack: Stack, code: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """A stack of its own, so that the other stages keep theirs and its parameters."""
    stack.stop_function()  # the emulator calls one function
    stack.deployed = None
    own = Stack(emulator, tmp_path_factory.mktemp("own"), name="facenet-own-model")
    own.deploy(Model=NAME)
    user = make_user(emulator, f"owner-{uuid.uuid4().hex[:6]}")
    allow(emulator, user, "execute-api:Invoke")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.deploy.emulator.ROOT", code)  # where the function's process starts
        own.start_function()
        folder = code / "model_layer/models" / NAME
        yield Deployed(Endpoint(emulator, own.outputs["ApiUrl"]), user, folder)
        own.delete()


def test_the_stack_serves_the_imported_model(deployed: Deployed) -> None:
    served = deployed.call("GET", "/v1/model")
    imported = model_layer.load(deployed.folder)

    assert served["id"] == NETWORK
    assert served["contract"] == imported.contract()
    assert served["contract"] != model_layer.load("facenet-mobile-128").contract()
    REPORT.calls.append(f"GET /v1/model with Model={NAME}: {served['contract']}")


def test_faces_are_compared_by_the_imported_model(deployed: Deployed) -> None:
    names = ("eileen_collins", "eileen_collins_second", "grace_hopper")
    one, again, other = (
        base64.b64encode((ROOT / f"events/pictures/{name}.jpg").read_bytes()).decode()
        for name in names
    )

    same = deployed.call("POST", "/v1/compare", {"images": [one, again]})
    different = deployed.call("POST", "/v1/compare", {"images": [one, other]})

    assert (same["same"], different["same"]) == (True, False)
    assert same["model"]["contract"] == model_layer.load(deployed.folder).contract()
    assert same["model"]["dimension"] == 256
