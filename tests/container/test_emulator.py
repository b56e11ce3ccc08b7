"""The built image, called as Lambda calls it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from fixtures.lambda_container import EVENTS, SIZES, LambdaContainer, Size
from image.commands import CommandError, docker
from tests.container.comparison import differences
from tests.container.conftest import answer_here
from tests.unit.model_layer.conftest import write_toy

HERE = Path(__file__).parent
FAULTY = {Path(__file__).with_name("faulty.py"): "/opt/faulty/faulty.py"}
FAULTY_COMMAND = ("python", "-m", "awslambdaric", "faulty.lambda_handler")
Start = Callable[..., LambdaContainer]
Event = Callable[[str], Any]


def small_crop() -> str:
    """A face crop of a few hundred bytes, as base64."""
    crop = cv2.imread(str(HERE.parents[1] / "events/pictures/eileen_collins_face.jpg"))
    _, data = cv2.imencode(".jpg", cv2.resize(crop, (40, 40)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    return base64.b64encode(data.tobytes()).decode()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.memory}MB")
def test_every_event_file_is_answered_as_in_this_process(
    start: Start, event: Event, in_process: Event, size: Size
) -> None:
    function = start(size=size)
    wrong = []
    for name in EVENTS:
        reply = function.invoke(event(name))
        if reply.status != 200:
            wrong.append(f"{name}: status {reply.status}: {reply.body[:200]!r}")
            continue
        wrong += [f"{name}: {text}" for text in differences(in_process(name), reply.json())]
    assert wrong == []
    assert function.peak_memory() < size.memory * 1024 * 1024


def test_a_compare_says_that_one_person_is_one_and_two_are_two(start: Start, event: Event) -> None:
    function = start()
    assert function.invoke(event("compare-same")).json()["same"] is True
    assert function.invoke(event("compare-different")).json()["same"] is False


def test_the_function_can_write_nothing_but_tmp(start: Start, event: Event) -> None:
    function = start()
    function.invoke(event("compare-same"))
    # Paths in the container.
    for place in ("/var/task/x", "/opt/venv/x", "/root/x", "/home/x", "/usr/x"):
        with pytest.raises(CommandError):
            docker("exec", function.name, "sh", "-c", f"echo > {place}")
    assert docker("exec", function.name, "find", "/tmp", "-type", "f").strip() == ""


def test_the_code_in_the_image_is_compiled_readable_and_not_writable(image: str) -> None:
    script = (
        "find /var/task/handler /var/task/align /var/task/model_layer /opt/venv/lib "
        "! -type l \\( -perm /222 -o ! -perm -444 \\) | head -5; "
        "for f in $(find /var/task -name '*.py'); do "
        'test -n "$(ls $(dirname $f)/__pycache__/$(basename $f .py).*.pyc 2>/dev/null)" '
        "|| echo $f; done"
    )
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", script) == ""


def test_the_default_image_holds_no_tensorflow_no_pip_and_no_compiler(image: str) -> None:
    script = (
        "import importlib.util as u, shutil; "
        "print([n for n in ('tensorflow', 'pip', 'setuptools', 'PIL') if u.find_spec(n)], "
        "[n for n in ('gcc', 'as', 'ld', 'pip', 'pip3') if shutil.which(n)])"
    )
    output = docker("run", "--rm", "--entrypoint", "python", image, "-c", script)
    assert output.strip() == "[] []"


def test_a_start_that_fails_is_followed_by_one_that_answers(start: Start, event: Event) -> None:
    function = start(
        mounts=FAULTY,
        command=FAULTY_COMMAND,
        environment={"PYTHONPATH": "/opt/faulty", "FAULTY_START": "1"},
    )
    first = function.invoke(event("compare-same"))
    assert first.status == 502 or "errorType" in first.json()
    assert b"same" not in first.body
    assert function.invoke(event("compare-same")).json()["same"] is True


def test_a_timeout_is_followed_by_a_call_that_answers(start: Start, event: Event) -> None:
    function = start(
        mounts=FAULTY,
        command=FAULTY_COMMAND,
        timeout=12,
        environment={"PYTHONPATH": "/opt/faulty"},
    )
    assert b"timed out after 12" in function.invoke({"fault": "sleep"}).body
    assert function.invoke(event("compare-same")).json()["same"] is True


def test_running_out_of_memory_is_followed_by_a_call_that_answers(
    start: Start, event: Event
) -> None:
    function = start(
        mounts=FAULTY, command=FAULTY_COMMAND, environment={"PYTHONPATH": "/opt/faulty"}
    )
    assert function.invoke(event("compare-same")).json()["same"] is True
    killed = function.invoke({"fault": "memory"})
    assert killed.status == 502 or "errorType" in killed.json()
    assert function.invoke(event("compare-same")).json()["same"] is True


def test_a_model_that_is_not_there_is_a_clear_answer_each_time(start: Start, event: Event) -> None:
    function = start(environment={"FACENET_MODEL": "no-such-model"})
    for _ in range(2):
        over_http = function.invoke(event("http-api-v2")).json()
        assert over_http["statusCode"] == 503
        assert json.loads(over_http["body"])["error"]["code"] == "ModelUnavailable"
        assert "ModelUnavailable" in function.invoke(event("compare-same")).json()["errorMessage"]


def test_an_answer_above_the_payload_limit_is_refused_by_us(start: Start, event: Event) -> None:
    # Almost 4 KB of numbers a face, so 1,800 faces are above 6 MB; the request is far below it.
    function = start(size=SIZES[1], timeout=600, environment={"FACENET_MAX_IMAGES": "2000"})
    request = {"operation": "embed", "aligned": True, "images": [small_crop()] * 1800}
    reply = function.invoke(request, timeout=630)
    assert reply.status == 200
    assert reply.json()["error"]["code"] == "ResponseTooLarge"
    assert function.invoke(event("compare-same")).json()["same"] is True


def test_an_event_of_no_known_kind_is_an_answer(start: Start) -> None:
    reply = start().invoke({"hello": "world"})
    assert reply.status == 200
    assert reply.json()["error"]["code"] == "InvalidRequest"


def test_the_tensorflow_target_runs_a_frozen_graph(
    start: Start, event: Event, tensorflow_image: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)  # the function is not the user who runs this
    folder = write_toy(tmp_path, frozen_graph=True)
    function = start(
        image=tensorflow_image,
        size=SIZES[1],
        timeout=300,
        mounts={folder: "/opt/model"},
        environment={"FACENET_MODEL": "/opt/model"},
    )
    reply = function.invoke(event("compare-same"), timeout=330)
    assert reply.status == 200
    expected = answer_here(["compare-same"], FACENET_MODEL=str(folder))["compare-same"]
    assert reply.json()["distance"] == pytest.approx(expected["distance"], abs=1e-3)
