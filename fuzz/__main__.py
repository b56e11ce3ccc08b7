"""`make fuzz`: coverage-guided fuzzing of decoding and of the whole function, for a given time.

    python -m fuzz                                # a minute, as continuous integration runs it
    python -m fuzz --seconds 28800 --target handle --random     # a night

Each target runs in a process of its own, which libFuzzer stops at a hang (`--timeout`) or above
its memory (`--memory`). What broke it is left in build/fuzz/TARGET and its name is printed; run
`python -m fuzz --replay FILE --target TARGET` to see it again. Inputs that reach new code are kept
in build/fuzz/TARGET/found and are where the next run begins.

Coverage is measured in Python (align, handler, model_layer, multipart). OpenCV, LiteRT and msgspec
are shipped as binaries without instrumentation: inputs reach them, but do not learn from them.
"""

import argparse
import importlib.util
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
ROOT = FUZZ.parent
BUILD = ROOT / "build" / "fuzz"
NAMES = ("decode", "heic", "handle")
# Seeds are at most 7 KB; room for some growth, and none for the sake of length.
LONGEST_INPUT = 32_768
STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
COVERAGE = re.compile(r"cov: (\d+)")


@dataclass(frozen=True)
class Run:
    """What one target's run came to."""

    target: str
    tried: int
    seconds: float
    slowest_s: int
    peak_mb: int
    coverage: int
    broken: tuple[str, ...]
    status: int


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every input got a typed answer in time and memory."""
    options = parse(arguments)
    if importlib.util.find_spec("atheris") is None and platform.machine() != "x86_64":
        return not_checked()
    if options.replay:
        command = worker(options.target or "handle", [options.replay])
        return subprocess.run(command).returncode  # noqa: S603
    targets = [options.target] if options.target else list(NAMES)
    runs = [fuzz(target, options, options.seconds / len(targets)) for target in targets]
    print(table(runs))
    return int(any(run.status or run.broken for run in runs))


def not_checked() -> int:
    """Atheris has wheels for x86_64 alone; elsewhere .ci/run says so."""
    reason = f"NOT CHECKED, atheris cannot be installed on {platform.machine()}"
    BUILD.parent.mkdir(parents=True, exist_ok=True)
    (BUILD.parent / "fuzz-atheris.txt").write_text(f"{reason}\n", encoding="utf-8")
    print(reason)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="fuzz the function")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets (60)")
    parser.add_argument("--target", choices=NAMES, help="one target instead of all")
    parser.add_argument("--timeout", type=int, default=25, help="seconds for one input (25)")
    parser.add_argument("--memory", type=int, default=1200, help="megabytes, in all (1200)")
    parser.add_argument("--random", action="store_true", help="another seed each time, not 1")
    parser.add_argument("--replay", help="run one input again")
    return parser.parse_args(arguments)


def fuzz(target: str, options: argparse.Namespace, seconds: float) -> Run:
    """Runs one target and reads what libFuzzer says of it."""
    found = BUILD / target / "found"
    found.mkdir(parents=True, exist_ok=True)
    begun = time.time()
    flags = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-timeout={options.timeout}",
        f"-rss_limit_mb={options.memory}",
        f"-max_len={LONGEST_INPUT}",
        f"-seed={0 if options.random else 1}",
        f"-dict={FUZZ / 'words.dict'}",
        f"-artifact_prefix={BUILD / target}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    log = BUILD / f"{target}.log"
    print(f"{target}: {seconds:.0f} s, progress in {log.relative_to(ROOT)}", flush=True)
    begin = time.perf_counter()
    with log.open("wb") as output:
        command = worker(target, [*flags, str(found), str(FUZZ / "seeds" / target)])
        status = subprocess.call(command, cwd=ROOT, stdout=output, stderr=output)  # noqa: S603
    spent = time.perf_counter() - begin
    text = log.read_text(encoding="utf-8", errors="replace")
    if status:
        print(text[-4000:])
    # By time, not by name: what was found before as well is overwritten.
    files = (path for path in (BUILD / target).iterdir() if path.is_file())
    broken = sorted(path.name for path in files if path.stat().st_mtime >= begun)
    return summarise(target, text, status, spent, tuple(broken))


def worker(target: str, rest: Sequence[str]) -> list[str]:
    """The command that runs libFuzzer."""
    return [sys.executable, "-m", "fuzz.worker", target, *rest]


def summarise(target: str, text: str, status: int, spent: float, broken: tuple[str, ...]) -> Run:
    """What libFuzzer printed as a Run."""
    numbers = {name: int(value) for name, value in STATISTIC.findall(text)}
    coverage = COVERAGE.findall(text)
    return Run(
        target=target,
        tried=numbers.get("number_of_executed_units", 0),
        seconds=spent,
        slowest_s=numbers.get("slowest_unit_time_sec", 0),
        peak_mb=numbers.get("peak_rss_mb", 0),
        coverage=int(coverage[-1]) if coverage else 0,
        broken=broken,
        status=status,
    )


def table(runs: Sequence[Run]) -> str:
    """How many were tried, and what broke."""
    rows = ["| target | inputs tried | seconds | slowest s | peak MB | branches | broken |"]
    rows.append("|---|---|---|---|---|---|---|")
    rows += [
        f"| {run.target} | {run.tried:,} | {run.seconds:.0f} | {run.slowest_s} | {run.peak_mb} "
        f"| {run.coverage:,} | {', '.join(run.broken) or 'none'} |"
        for run in runs
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
