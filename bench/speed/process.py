"""One contender's process: started once, then asked for timings in turn with the others."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Contender:
    """Who takes part: a row's name, the interpreter and module that run it, and its options."""

    name: str
    python: str
    module: str
    options: dict[str, Any]


class Process:
    """A running contender. `skipped` holds the reason when it could not start."""

    def __init__(self, contender: Contender, pictures: Path, log: Path) -> None:
        self.contender = contender
        reader, writer = os.pipe()
        command = [contender.python, "-c", _LAUNCH, contender.module, str(pictures)]
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [*command, json.dumps(contender.options), str(writer)],
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                pass_fds=[writer],
                cwd=ROOT,
                text=True,
            )
        os.close(writer)
        self._answers = os.fdopen(reader)
        line = self._answers.readline()
        self.skipped = "" if line else f"did not start: {_last_line(log)}"
        self.ready: dict[str, Any] = json.loads(line) if line else {}

    def run(self, scenario: str, repeats: int) -> dict[str, Any]:
        """Time one scenario: {"ms": [...], "answer": ..., "peak_mb": ...}."""
        order = json.dumps({"scenario": scenario, "repeats": repeats})
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer

    def stop(self) -> None:
        """Close the process's standard input, which ends its loop, and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._answers.close()
        self._process.wait(timeout=30)


# The worker writes its answers to descriptor 3, whatever number the pipe has in this process.
_LAUNCH = (
    "import os, runpy, sys; fd = int(sys.argv.pop()); os.dup2(fd, 3) if fd != 3 else None; "
    "sys.path.insert(0, os.getcwd()); "
    "runpy.run_module('bench.speed.worker', run_name='__main__', alter_sys=True)"
)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
