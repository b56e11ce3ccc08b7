"""`python -m bench.speed`: this project beside its peers, same pictures, same run.

Every contender is a process of its own. The bench goes round them, one repeat each, so that a
ratio compares neighbours in time. Prints the README's table; writes it with a plot to --out.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from bench.speed.pictures import write_pictures
from bench.speed.process import ROOT, Contender, Process
from bench.speed.report import Row, write_report

SCENARIOS = ("compare", "detect", "group", "chips")
PLAIN = "plain TensorFlow + mtcnn"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of an imported 20180402-114759")
    parser.add_argument(
        "--peers", default=sys.executable, help="an interpreter with requirements/peers.txt"
    )
    parser.add_argument("--torch-python", help="an interpreter with torch and facenet-pytorch")
    parser.add_argument("--deepface-python", help="an interpreter with deepface and TensorFlow")
    parser.add_argument(
        "--onnx", type=Path, help="the same FaceNet as ONNX, any number of pictures"
    )
    parser.add_argument(
        "--dlib-weights", type=Path, help="see `python -m bench.dlib_recognition --help`"
    )
    parser.add_argument("--rounds", type=int, default=7, help="paired runs of every scenario")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "speed")
    return parser.parse_args()


def _ours(name: str, threads: int, **environment: str) -> Contender:
    settings = {"FACENET_THREADS": str(threads), **environment}
    return Contender(name, sys.executable, "bench.speed.contender_ours", {"environment": settings})


def _contenders(options: argparse.Namespace) -> list[Contender]:
    rows = [_ours("bundled model, int8", options.threads)]
    exact = "bundled model, int8, exact detector"
    rows.append(_ours(exact, options.threads, FACENET_DETECTOR="exact"))
    if options.real:
        real = {"FACENET_MODEL": str(options.real)}
        for precision in ("int8", "float32"):
            label = f"20180402-114759, {precision}"
            rows.append(_ours(label, options.threads, FACENET_PRECISION=precision, **real))
        graph = {"graph": str(_frozen_graph(options.real))}
        rows.insert(0, Contender(PLAIN, options.peers, "bench.speed.contender_plain", graph))
    if options.onnx:
        onnx = {"onnx": str(options.onnx)}
        name = "ONNX Runtime + mtcnn"
        rows.append(Contender(name, options.peers, "bench.speed.contender_plain", onnx))
    if options.deepface_python:
        module = "bench.speed.contender_deepface"
        rows.append(Contender("DeepFace, FaceNet512", options.deepface_python, module, {}))
    if options.torch_python:
        settings = {"threads": options.threads}
        module = "bench.speed.contender_torch"
        rows.append(Contender("facenet-pytorch", options.torch_python, module, settings))
    if options.dlib_weights:
        weights = {"weights": str(options.dlib_weights)}
        name = "dlib (`face_recognition`)"
        rows.append(Contender(name, options.peers, "bench.speed.contender_dlib", weights))
    return rows


def _frozen_graph(folder: Path) -> Path:
    """What the plain contender runs. Exits where the import left it out."""
    graph = next(folder.glob("*.pb"), None)
    if graph is None:
        raise SystemExit(
            f"{folder} holds no frozen graph (*.pb); import the model without --no-frozen-graph"
        )
    return graph


def _measure(processes: list[Process], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of every (contender, scenario), one entry a round, after one warm-up."""
    times: dict[tuple[str, str], list[float]] = {}
    for scenario in SCENARIOS:
        for number in range(rounds + 1):
            for process in processes:
                taken = process.run(scenario, 1)["ms"][0]
                if number:
                    times.setdefault((process.contender.name, scenario), []).append(taken)
        print(f"measured {scenario}", file=sys.stderr)
    return times


def _row(process: Process, times: dict[tuple[str, str], list[float]], base: str) -> Row:
    name = process.contender.name
    medians, ratios = {}, {}
    for scenario in SCENARIOS:
        own, plain = times[name, scenario], times[base, scenario]
        medians[scenario] = statistics.median(own)
        ratios[scenario] = statistics.median(b / a for a, b in zip(own, plain, strict=True))
    peak = process.run("compare", 1)["peak_mb"]
    return Row(name, medians, ratios, peak)


def _overhead(process: Process) -> dict[str, Any] | None:
    if "compare_timings" not in process.ready["scenarios"]:
        return None
    answer: dict[str, Any] = process.run("compare_timings", 1)["answer"]
    return answer


def main() -> int:
    options = _arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = options.out / "pictures"
    write_pictures(pictures)
    started = [
        Process(contender, pictures, options.out / f"contender-{index}.log")
        for index, contender in enumerate(_contenders(options))
    ]
    running = [process for process in started if not process.skipped]
    times = _measure(running, options.rounds)
    base = PLAIN if any(p.contender.name == PLAIN for p in running) else running[0].contender.name
    rows = [_row(process, times, base) for process in running]
    skipped = {p.contender.name: p.skipped for p in started if p.skipped}
    overhead = {p.contender.name: _overhead(p) for p in running}
    for process in started:
        process.stop()
    raw = {f"{name} / {scenario}": ms for (name, scenario), ms in times.items()}
    (options.out / "speed.json").write_text(json.dumps({"ms": raw, "timings": overhead}, indent=1))
    print(write_report(rows, base, skipped, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
