"""The loop that every contender's process runs: one JSON line in, one timed JSON line out.

A contender is a module with `load(pictures: Path, options: dict) -> Contender`. It lives in its
own process so that peak memory, threads and imports are its own; the bench alternates between the
processes, so that a drift of the machine's speed meets all of them.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BATCH = 32
Scenario = Callable[[], Any]


def _peak_mb() -> float:
    # Not ru_maxrss: a child begins with that of the process that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _timed(scenario: Scenario, repeats: int) -> dict[str, Any]:
    times, answer = [], None
    for _ in range(repeats):
        begin = time.perf_counter()
        answer = scenario()
        times.append((time.perf_counter() - begin) * 1000)
    return {"ms": times, "answer": answer, "peak_mb": _peak_mb()}


def _serve(scenarios: Mapping[str, Scenario]) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        result = _timed(scenarios[order["scenario"]], order["repeats"])
        print(json.dumps(result), file=_ANSWERS, flush=True)


def main() -> None:
    """usage: worker.py MODULE PICTURES OPTIONS_JSON"""
    module, pictures, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    scenarios = importlib.import_module(module).load(pictures, options)
    print(json.dumps({"scenarios": sorted(scenarios)}), file=_ANSWERS, flush=True)
    _serve(scenarios)


if __name__ == "__main__":
    # Libraries print to stdout as they like; answers go to a descriptor of their own.
    _ANSWERS = open(3, "w")  # noqa: SIM115 - open for the life of the process
    main()
