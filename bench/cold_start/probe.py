"""Runs inside the container: our function from nothing to its first answer, one JSON line out.

    python probe.py WAY EVENT_FILE

WAY is `ours`, as the image starts it, or `plain`. The clock starts where the kernel started this
process (to a hundredth of a second).
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def since_start() -> float:
    """Seconds since the kernel started this process."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


MARKS: list[tuple[str, float]] = [("interpreter", since_start())]


def mark(name: str) -> None:
    """Ends the phase `name`."""
    MARKS.append((name, since_start()))


class Context:
    """What Lambda passes beside the event."""

    aws_request_id = "cold-start"
    memory_limit_in_mb = 1769
    function_name = "cold-start"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def ours(event: Any) -> Any:
    """The function, phase by phase; handler.app would do the same in one import."""
    import awslambdaric.__main__  # noqa: F401  what Lambda starts first

    mark("runtime client")
    import cv2  # noqa: F401
    import numpy  # noqa: F401

    mark("cv2 and numpy")
    import ai_edge_litert.interpreter  # noqa: F401

    mark("litert")
    from handler import cold_start, sources  # noqa: F401
    from handler.settings import Settings

    mark("our modules")
    service = cold_start.load(Settings.from_environment())
    mark("models")
    service.detector.warm_up()
    mark("warm-up")
    cold_start.start = lambda: service  # handler.app starts it as it is imported
    from handler.app import lambda_handler

    return lambda_handler(event, Context())


def plain(event: Any) -> Any:
    """The plain way: TensorFlow, a frozen graph and the `mtcnn` package, as bench/speed has it."""
    import base64

    import numpy

    sys.path.insert(0, "/opt/plain")
    import tensorflow  # noqa: F401

    mark("tensorflow")
    from mtcnn import MTCNN

    from bench.speed import contender_plain as way

    mark("our modules")
    detector = MTCNN()
    embed = way._session(os.environ["PLAIN_GRAPH"])
    mark("models")
    mark("warm-up")
    chips = []
    for text in event["images"]:
        image = way._decode(base64.b64decode(text))
        found = detector.detect_faces(image)
        largest = max(found, key=lambda face: face["box"][2] * face["box"][3])
        chips.append(way._chip(image, largest["box"]))
    first, second = embed(numpy.stack(chips))
    return {"distance": float(numpy.linalg.norm(first - second))}


WAYS = {"ours": ours, "plain": plain}


def processor_seconds() -> float:
    """Of this process and the children that have ended."""
    return time.process_time() + sum(os.times()[2:4])


def counted(file: str, name: str) -> int:
    """The number behind `name` in a file that Linux keeps on this process."""
    text = Path(f"/proc/self/{file}").read_text(encoding="ascii")
    return int(text.partition(f"\n{name}")[2].split()[0])


def main(way: str, event_file: str) -> None:
    """Prints phases in seconds, bytes read from disk, peak memory and the answer's distance."""
    sys.path.insert(0, os.getcwd())
    event = json.loads(Path(event_file).read_text())
    answer = WAYS[way](event)
    mark("first compare")
    phases, before = {}, 0.0
    for name, moment in MARKS:
        phases[name] = round(moment - before, 3)
        before = moment
    result = {
        "phases": phases,
        "total": round(before, 3),
        "processor": round(processor_seconds(), 3),
        "read_bytes": counted("io", "read_bytes:"),
        # Not ru_maxrss: a child begins with that of the process that started it.
        "peak_bytes": counted("status", "VmHWM:") * 1024,
        "distance": answer["distance"],
    }
    print("PROBE " + json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
