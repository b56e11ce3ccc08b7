"""`python -m bench.cold_start`: from nothing to the first answered compare, in Lambda's bounds.

Every run is a new container: read-only root, no capabilities, one CPU for 1,769 MB. For a cold run
the files of the image are put out of the page cache first (posix_fadvise on its layers, which
leaves the rest of the machine alone). Prints the tables of docs/cold_start.md; medians. Needs root
and a Docker engine; build the images first (`make image`), `--steps` builds the untrimmed one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures.lambda_container import NETWORK, USER, Size, ensure_network
from image import build
from image.commands import ROOT, docker, require_engine, say

EVENT = ROOT / "events/compare-same.json"
PROBE = Path(__file__).with_name("probe.py")
ONE, MORE = Size(1769, 1.0), Size(3008, 1.7)
PLAIN = "plain TensorFlow and mtcnn, 1.7 CPU"
LITERT, TENSORFLOW = f"{build.NAME}:litert", f"{build.NAME}:tensorflow"
UNTRIMMED = f"{build.NAME}:untrimmed"
# Name of a way -> page cache -> what the probe measured, run by run.
Results = dict[str, dict[str, list[dict[str, Any]]]]
# As many threads for OpenBLAS as there are CPUs: what it does where nobody tells it.
MANY = {"OPENBLAS_NUM_THREADS": "0"}


@dataclass(frozen=True)
class Contender:
    """One way to answer, in one image."""

    name: str
    image: str
    way: str = "ours"
    size: Size = ONE
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[Path, str] = field(default_factory=dict)


def contenders(options: argparse.Namespace) -> Iterator[Contender]:
    """Ours first; the ways that need TensorFlow or the real weights where these are given."""
    yield Contender("bundled model, int8", LITERT)
    yield Contender("bundled model, int8, 1.7 CPU", LITERT, size=MORE)
    if options.real:
        real = {options.real: "/opt/model"}
        chosen = {"FACENET_MODEL": "/opt/model"}
        yield Contender("20180402-114759, int8", LITERT, environment=chosen, mounts=real)
        name = "20180402-114759, int8, 1.7 CPU"
        yield Contender(name, LITERT, "ours", MORE, chosen, real)
        chosen = {**chosen, "FACENET_PRECISION": "float32"}
        yield Contender("20180402-114759, float32", LITERT, environment=chosen, mounts=real)
        chosen = {**chosen, "FACENET_ENGINE": "tensorflow"}
        yield Contender(
            "20180402-114759, tensorflow target, 1.7 CPU", TENSORFLOW, "ours", MORE, chosen, real
        )
    if options.plain_packages and options.graph:
        mounts = {options.plain_packages: "/opt/packages", options.graph: "/opt/graph.pb"}
        mounts |= {ROOT / "bench": "/opt/plain/bench"}
        chosen = {"PLAIN_GRAPH": "/opt/graph.pb", "PYTHONPATH": "/opt/packages"}
        yield Contender(PLAIN, TENSORFLOW, "plain", MORE, chosen, mounts)


def steps() -> Iterator[Contender]:
    """The bundled model, from everything as pip installs it to the image, one step at a time."""
    yield Contender("packages as pip installs them", UNTRIMMED, environment=MANY)
    yield Contender("without what is never imported", LITERT, environment=MANY)
    yield Contender("one thread for NumPy's OpenBLAS: the image as it is", LITERT)


def run_once(contender: Contender) -> dict[str, Any]:
    """What the probe measured in a new container."""
    size = contender.size
    command = ["run", "--rm", "--network", NETWORK, "--user", USER, "--read-only"]
    command += ["--tmpfs", "/tmp:rw,size=512m", "--cap-drop", "ALL"]
    command += [f"--memory={size.memory}m", f"--memory-swap={size.memory}m", f"--cpus={size.cpus}"]
    command += ["--env", f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE={size.memory}"]
    for key, value in {"TF_CPP_MIN_LOG_LEVEL": "3", **contender.environment}.items():
        command += ["--env", f"{key}={value}"]
    for source, target in {PROBE: "/opt/probe.py", EVENT: "/opt/event.json"}.items():
        command += ["--volume", f"{source}:{target}:ro"]
    for source, target in contender.mounts.items():
        command += ["--volume", f"{source.resolve()}:{target}:ro"]
    # A shell in between, so that the clock of the new process starts after the engine's own work.
    script = f"python /opt/probe.py {contender.way} /opt/event.json; exit $?"
    command += ["--entrypoint", "sh", contender.image, "-c", script]
    output = docker(*command, timeout=600)
    line = next(line for line in output.splitlines() if line.startswith("PROBE "))
    result: dict[str, Any] = json.loads(line.removeprefix("PROBE "))
    return result


def drop_page_cache(contender: Contender) -> None:
    """Puts the files of the image and of the mounts out of the page cache."""
    os.sync()
    for folder in (*layers(contender.image), *contender.mounts):
        for path in files(folder):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def layers(image: str) -> list[Path]:
    """The folders that an image is stacked from, on this host."""
    form = '{{index .GraphDriver.Data "LowerDir"}}:{{index .GraphDriver.Data "UpperDir"}}'
    listed = docker("image", "inspect", "--format", form, image).strip()
    return [Path(part) for part in listed.split(":") if part.startswith("/")]


def files(folder: Path) -> Iterable[Path]:
    """Regular files below `folder`, or `folder` itself where it is one."""
    if folder.is_file():
        return [folder]
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def measure(ways: Sequence[Contender], rounds: int) -> Results:
    """All contenders take turns, so that other load affects all of them."""
    results: Results = {way.name: {"cold": [], "warm": []} for way in ways}
    for number in range(rounds):
        for way in ways:
            say(f"{number + 1} of {rounds}: {way.name}")
            drop_page_cache(way)
            results[way.name]["cold"].append(run_once(way))
            results[way.name]["warm"].append(run_once(way))
    return results


def ratios(results: Results) -> Iterator[str]:
    """How many times longer the plain way takes than each other, round by round."""
    plain = results.get(PLAIN)
    for name, runs in results.items() if plain else ():
        for cache in ("cold", "warm"):
            pairs = zip(plain[cache] if plain else (), runs[cache], strict=True)
            ratio = statistics.median(slow["total"] / fast["total"] for slow, fast in pairs)
            yield f"{name}, {cache}: {ratio:.1f} times faster than the plain way"


def row(name: str, cache: str, runs: list[dict[str, Any]]) -> str:
    """One line of the table."""
    phases: dict[str, float] = {
        phase: statistics.median(run["phases"].get(phase, 0.0) for run in runs)
        for phase in runs[0]["phases"]
    }
    imports = sum(phases.get(key, 0.0) for key in IMPORTS)
    cells = [f"{phases['interpreter']:.2f}", f"{imports:.2f}", f"{phases['models']:.2f}"]
    cells += [f"{phases['warm-up']:.2f}", f"{phases['first compare']:.2f}"]
    total = statistics.median(run["total"] for run in runs)
    busy = statistics.median(run["processor"] for run in runs)
    read = statistics.median(run["read_bytes"] for run in runs) / 1e6
    peak = max(run["peak_bytes"] for run in runs) / 1e6
    cells += [f"**{total:.2f}**", f"{busy:.2f}", f"{read:.0f}", f"{peak:.0f}"]
    return f"| {name} | {cache} | {' | '.join(cells)} |"


def image_sizes(*ways: Sequence[Contender]) -> dict[str, tuple[float, float]]:
    """Tag -> megabytes on disk and compressed, of every image that was measured."""
    tags = dict.fromkeys(way.image for group in ways for way in group)
    return {tag: (build.size(tag) / 1e6, build.compressed_size(tag) / 1e6) for tag in tags}


def step_rows(
    ways: Sequence[Contender],
    results: Results,
    sizes: Mapping[str, tuple[float, float]],
) -> Iterator[str]:
    """One line a step. Seconds are medians; the gains are medians of paired differences."""
    before: dict[str, list[dict[str, Any]]] | None = None
    for way in ways:
        runs = results[way.name]
        cells = []
        for cache in ("cold", "warm"):
            total = statistics.median(run["total"] for run in runs[cache])
            busy = statistics.median(run["processor"] for run in runs[cache])
            cells += [
                f"{total:.2f}",
                gain(before[cache], runs[cache]) if before else "",
                f"{busy:.2f}",
            ]
        read = statistics.median(run["read_bytes"] for run in runs["cold"]) / 1e6
        cells += [f"{read:.0f}", *(f"{size:.0f}" for size in sizes.get(way.image, ()))]
        yield f"| {way.name} | {' | '.join(cells)} |"
        before = runs


def gain(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """Seconds that a step takes off (-) or adds (+), round by round."""
    pairs = zip(before, after, strict=True)
    return f"{statistics.median(new['total'] - old['total'] for old, new in pairs):+.2f}"


IMPORTS = ("runtime client", "cv2 and numpy", "litert", "tensorflow", "our modules")
HEADER = (
    "| way | page cache | interpreter | imports | models | warm-up | first compare "
    "| total s | processor s | read MB | peak MB |\n|---|---|---|---|---|---|---|---|---|---|---|"
)
SIZES_HEADER = "| image | on disk MB | compressed MB |\n|---|---|---|"
STEPS_HEADER = (
    "| with this step and those above | cold s | gain | processor s | warm s | gain | processor s "
    "| read MB | on disk MB | compressed MB |\n|---|---|---|---|---|---|---|---|---|---|"
)


def print_tables(
    compared: Sequence[Contender],
    stepped: Sequence[Contender],
    results: Results,
    sizes: Mapping[str, tuple[float, float]],
) -> None:
    """The tables of docs/cold_start.md."""
    print(HEADER)
    for way in compared:
        print(row(way.name, "cold", results[way.name]["cold"]))
        print(row(way.name, "warm", results[way.name]["warm"]))
    print("", *ratios({way.name: results[way.name] for way in compared}), sep="\n")
    if stepped:
        print("", STEPS_HEADER, *step_rows(stepped, results, sizes), sep="\n")
    if sizes:
        print("", SIZES_HEADER, sep="\n")
        for tag, (disk, packed) in sizes.items():
            print(f"| {tag} | {disk:.0f} | {packed:.0f} |")


def main() -> None:
    """Measures, prints, and writes every run to build/bench/cold_start.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of an imported 20180402-114759")
    parser.add_argument("--graph", type=Path, help="its frozen graph, for the plain way")
    parser.add_argument("--plain-packages", type=Path, help="folder that holds the mtcnn package")
    parser.add_argument("--steps", action="store_true", help="what each step of the image gains")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-sizes", action="store_true", help="skip the compressed sizes")
    options = parser.parse_args()
    require_engine()
    ensure_network()
    compared = list(contenders(options))
    stepped = list(steps()) if options.steps else []
    if stepped:
        build.build("litert", "untrimmed", {"TRIM": "no"})
    results = measure([*compared, *stepped], options.rounds)
    sizes = {} if options.no_sizes else image_sizes(compared, stepped)
    print_tables(compared, stepped, results, sizes)
    target = ROOT / "build/bench/cold_start.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
