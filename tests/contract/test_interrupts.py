"""Ctrl-C in the middle of long work, and the same command again: nothing is done twice."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

PATIENCE_S = 300
POLL_S = 0.005


class Command:
    """One command line of tools/, run in a process of its own."""

    def __init__(self, root: Path, *words: str, **environment: str) -> None:
        self.words = [sys.executable, "-m", *words]
        self.settings: dict[str, Any] = {"cwd": root, "text": True, "stderr": subprocess.PIPE}
        self.settings["env"] = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}

    def interrupt_when(self, ready: Callable[[], bool]) -> tuple[int, str]:
        """Ctrl-C as soon as `ready`; exit status and what was said last."""
        with subprocess.Popen(
            self.words,
            stdout=subprocess.PIPE,
            preexec_fn=hear_interrupts,
            **self.settings,
        ) as process:
            try:
                wait_until(lambda: ready() or process.poll() is not None)
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        return process.returncode, said

    def run(self) -> tuple[int, str]:
        done = subprocess.run(
            self.words, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False, **self.settings
        )
        return done.returncode, done.stdout + done.stderr


def hear_interrupts() -> None:
    """As in a terminal: a shell's background job, as CI may be, is born ignoring SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(POLL_S)


def test_collect_continues_after_the_last_whole_part(root: Path, tmp_path: Path) -> None:
    results, output = tmp_path / "results", tmp_path / "faces.parquet"
    for number in range(3000):
        write_result(results / f"{number:04}.json", f"{number:04}.jpg")
    command = Command(root, "tools.collect", str(results), "-o", str(output), "--page", "20")
    first = tmp_path / "faces.parquet.parts" / "000000.parquet"
    status, said = command.interrupt_when(first.exists)
    assert (status, "to continue" in said) == (130, True)
    assert not output.exists()
    # What the first part holds is not read again: it is not even there any more.
    for number in range(20):
        (results / f"{number:04}.json").unlink()
    assert command.run()[0] == 0
    keys = pq.read_table(output)["key"].to_pylist()
    assert keys == [f"{number:04}.jpg" for number in range(3000)]


def write_result(path: Path, key: str) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = {"bucket": "photos", "key": key, "etag": "e", "size": 3}
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    face = {"box": box, "score": 0.5, "embedding": [1.0] * 256}
    model = {"id": "tiny", "sha256": "ab"}
    path.write_text(json.dumps({"format": 1, "object": picture, "model": model, "faces": [face]}))


def test_evaluate_continues_after_the_last_whole_chunk(root: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    faces = ("eileen_collins", "eileen_collins_second", "grace_hopper", "grace_hopper_second")
    rows = ["fold,image_a,image_b,same"]
    for number in range(100):
        for name in faces:
            source = root / "events" / "pictures" / f"{name}_face.jpg"
            shutil.copy(source, images / f"{name}{number}.jpg")
        one, other = faces[0], faces[2 if number % 4 < 2 else 1]
        rows.append(f"{number % 2},{one}{number}.jpg,{other}{number}.jpg,{int(other == faces[1])}")
        rows.append(f"{number % 2},{faces[2]}{number}.jpg,{faces[3]}{number}.jpg,1")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    data = ("--pairs", str(tmp_path / "pairs.csv"), "--images", str(images), "--out", str(out))
    command = Command(root, "tools.evaluate", "--model", "facenet-mobile-128", *data)
    status, said = command.interrupt_when(lambda: bool(chunks(out)))
    assert (status, "to continue" in said) == (1, True)
    assert not (out / "report.md").exists()
    kept = chunks(out)
    status, said = command.run()
    assert status == 0, said
    assert (out / "report.md").exists()
    assert kept.items() <= chunks(out).items()


def chunks(out: Path) -> dict[str, int]:
    """Kept work by file, with the time at which it was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("cache/chips-*/*.npz")}
