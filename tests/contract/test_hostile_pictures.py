"""Hostile, damaged and odd pictures: typed answers, in bounded memory, nothing on disk.

All of them go through one process of their own, in which no regular file can be written.
"""

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.hostile_pictures import HOSTILE
from fixtures.odd_pictures import ODD
from tests.process_logs import LOGS

PICTURES = {**HOSTILE, **ODD}
# The whole function with the model; Lambda gives 1,769 MB to one processor.
MOST_MEMORY_MB = 700
MUTANTS = 120
PROGRAM = """
import base64, json, resource, sys
from handler import app

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
for line in sys.stdin:
    event = {"operation": "embed", "images": [line.strip()]}
    answer = app.lambda_handler(event, None)
    # Not ru_maxrss: a child begins with that of the process that started it.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = int(status["VmHWM"].split()[0]) // 1024
    code = answer["error"]["code"] if "error" in answer else "read"
    print(json.dumps({"code": code, "peak_mb": peak}), flush=True)
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def function(root: Path, scratch: Path) -> Iterator[Any]:
    """`function(data)`: the code and the peak memory after one picture went in."""
    environment = {**os.environ, "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", PROGRAM],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    log = LOGS.open("hostile_pictures")

    def answer(data: bytes) -> dict[str, Any]:
        process.stdin.write(base64.b64encode(data).decode() + "\n")
        process.stdin.flush()
        # What is logged, and what native libraries print, comes before the answer.
        while not (line := process.stdout.readline()).startswith('{"code": '):
            assert line, f"the function died: {process.wait()}"
            log.write(line.encode())
        log.flush()
        return json.loads(line)

    yield answer
    log.close()
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def cases() -> list[Any]:
    """All of PICTURES; those that take seconds are left to `make test-all`."""
    slow = ("at the limit", "400 MB", "twice too large")
    full = pytest.mark.full
    return [
        pytest.param(name, marks=[full] if any(word in name for word in slow) else [])
        for name in PICTURES
    ]


@pytest.mark.parametrize("name", cases())
def test_a_hostile_picture_gets_its_answer(name: str, function: Any) -> None:
    make, codes = PICTURES[name]
    given = function(make())
    code = "read" if given["code"] == "FaceNotFound" else given["code"]
    assert code in codes
    assert given["peak_mb"] < MOST_MEMORY_MB


def test_the_bomb_is_as_small_as_it_says() -> None:
    assert len(HOSTILE["png bomb, 30,000 x 30,000"][0]()) < 32_000


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` with bytes changed, cut, doubled or taken out, as storage and attackers do."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        place = dice.randrange(len(changed))
        changed[place] = dice.choice((0, 255, dice.randrange(256), changed[place] ^ 1))
    start = dice.randrange(len(changed))
    length = dice.randrange(1, 2000)
    cut = dice.randrange(4)
    if cut == 1:
        del changed[start:]
    elif cut == 2:
        del changed[start : start + length]
    elif cut == 3:
        changed[start:start] = changed[start : start + length]
    return bytes(changed)


def test_mutated_photographs_are_read_or_refused(function: Any, root: Path) -> None:
    photographs = [path.read_bytes() for path in sorted((root / "events/pictures").glob("*.jpg"))]
    dice = random.Random(7)
    codes = [function(mutated(dice.choice(photographs), dice))["code"] for _ in range(MUTANTS)]
    print(f"{MUTANTS} mutated photographs: { ({code: codes.count(code) for code in set(codes)}) }")
    allowed = {"read", "FaceNotFound", "InvalidImage", "UnsupportedFormat", "ImageTooLarge"}
    allowed.add("LowQuality")  # a mutation may leave a face that the model cannot tell apart
    assert set(codes) <= allowed
    # The mutations must not all be refused at the door, nor all be harmless.
    assert {"read", "InvalidImage"} <= set(codes)


def test_nothing_was_left_in_the_scratch_folder(function: Any, scratch: Path) -> None:
    function(HOSTILE["png, 16 bits"][0]())
    assert list(scratch.iterdir()) == []
