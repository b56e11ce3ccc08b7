"""`make run`: answers the committed events through Lambda's runtime loop and prints them."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fixtures.runtime_stub import Answer, FunctionError, RuntimeStub
from tools.failure import report_failure

EVENTS = Path(__file__).resolve().parent.parent / "events"
# What the pictures show; the other events have no verdict of their own.
EXPECTED = {"compare-same": True, "compare-different": False}
LOG_LINES = 15


class AnswerError(ValueError):
    """An answer that breaks the API, or contradicts the pictures."""


def read_event(name: str) -> Any:
    """An event by its name in events/, or by the path of any JSON file."""
    path = Path(name) if name.endswith(".json") else EVENTS / f"{name}.json"
    if not path.is_file():
        if path.parent != EVENTS:
            raise SystemExit(
                f"{path}: no such file; events of this project are named without .json"
            )
        known = ", ".join(sorted(file.stem for file in EVENTS.glob("*.json")))
        raise SystemExit(f"no event {name!r}; there are {known}")
    try:
        return json.loads(path.read_text())
    except ValueError as exc:
        raise SystemExit(f"{path} is not JSON: {exc}") from exc


def check_compare(name: str, answer: Any) -> None:
    """Raises AnswerError, naming what is wrong, unless `answer` is a compare answer as promised."""
    if not isinstance(answer, dict):
        raise AnswerError(f"{name}: expected an object, got {type(answer).__name__}")
    if "error" in answer:
        raise AnswerError(
            f"{name}: {answer['error'].get('code')}: {answer['error'].get('message')}"
        )
    wanted = {"distance": float, "threshold": float, "same": bool}
    for field, kind in wanted.items():
        if not isinstance(answer.get(field), kind):
            raise AnswerError(f"{name}: {field} should be a {kind.__name__}: {answer.get(field)!r}")
    if [image.get("index") for image in answer.get("images", [])] != [0, 1]:
        raise AnswerError(f"{name}: the answer should describe images 0 and 1")
    if answer["same"] is not EXPECTED[name]:
        truth = "one person" if EXPECTED[name] else "two people"
        raise AnswerError(f"{name}: the pictures show {truth}, the answer is same={answer['same']}")


def describe_compare(name: str, answer: Answer) -> str:
    payload = answer.payload
    verdict = "the same person" if payload["same"] else "different people"
    faces = [describe_image(image) for image in payload["images"]]
    return "\n".join(
        [
            f"{name}: {verdict}",
            f"  distance {payload['distance']:.3f}, threshold {payload['threshold']:.3f}; "
            f"similarity {percent(payload['similarity'])}",
            *faces,
            f"  {describe_timings(payload.get('timings_ms', {}))}; "
            f"{answer.milliseconds:.0f} ms seen by the caller",
        ]
    )


def percent(similarity: float | None) -> str:
    """A probability in percent, which is never rounded to a certainty."""
    if similarity is None:
        return "not calibrated"
    if similarity > 0.999:
        return "over 99.9%"
    return "under 0.1%" if similarity < 0.001 else f"{similarity:.1%}"


def describe_image(image: Any) -> str:
    boxes = ", ".join(
        f"{face['box']['width']:.0f} x {face['box']['height']:.0f} pixels at "
        f"({face['box']['left']:.0f}, {face['box']['top']:.0f})"
        for face in image["faces"]
    )
    return f"  image {image['index']}, {image['width']} x {image['height']}: face of {boxes}"


def describe_timings(timings: dict[str, float]) -> str:
    """The steps that took time, in words: `decode 2 ms, detect 9 ms, total 14 ms`."""
    return ", ".join(f"{step} {value:.0f} ms" for step, value in timings.items() if value >= 0.5)


def run(names: list[str], *, as_json: bool, log: Any) -> None:
    """Invokes the function with each event in turn and prints what it answers."""
    events = {name: read_event(name) for name in names}
    start = time.perf_counter()
    with RuntimeStub(log=log) as function:
        function.wait_until_ready()
        print(f"function ready after {time.perf_counter() - start:.1f} s\n", flush=True)
        for name, event in events.items():
            answer = function.invoke(event)
            if name in EXPECTED:
                check_compare(name, answer.payload)
            spoken = name in EXPECTED and not as_json
            print(describe_compare(name, answer) if spoken else describe_other(name, answer))
            print(flush=True)


def describe_other(name: str, answer: Answer) -> str:
    text = json.dumps(answer.payload, indent=2)
    return f"{name}: answered in {answer.milliseconds:.0f} ms\n{text}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.run_local",
        description="Drive the function through awslambdaric's runtime loop with events/*.json.",
    )
    parser.add_argument("events", nargs="*", default=list(EXPECTED), metavar="EVENT")
    parser.add_argument("--json", action="store_true", help="print whole answers")
    parser.add_argument("--verbose", action="store_true", help="show the function's log")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryFile("w+") as log:
        try:
            run(options.events, as_json=options.json, log=None if options.verbose else log)
        except (FunctionError, AnswerError) as exc:
            report_failure(exc)
            log.seek(0)
            print("".join(log.readlines()[-LOG_LINES:]), file=sys.stderr, end="")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
