"""int8 in two ways, and which of them is served.

Dynamic int8 holds the weights in eight bits, static int8 the activations as well: mostly faster,
and only as good as the chips that it is calibrated with. Both come after equalization where the
layers are known, and both are measured.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.distance import normalise
from model_layer.engine_litert import LiteRTEngine
from tools.import_model.build_graph import build_graph
from tools.import_model.convert import convert
from tools.import_model.equalize import equalize
from tools.import_model.network import Network

Floats = NDArray[np.float32]
# Chips beyond these change no range that matters, and cost seconds.
MOST_EQUALIZED = 64
# Of two files, the faster one is served where it is as good to this much of a cosine, and faster
# by this share.
COSINE_SLACK, SPEED_GAIN = 0.01, 0.9


@dataclass(frozen=True)
class Candidate:
    """One int8 file.

    cosine: mean, to the source's runtime. milliseconds: median of a chip's, on this machine.
    """

    method: str
    content: bytes
    cosine: float
    milliseconds: float


def candidates(
    graph: Any,
    network: Network | None,
    chips: Floats,
    expected: Floats,
    calibration: Floats | None,
    work: Path,
) -> list[Candidate]:
    """Dynamic int8, and static int8 where there are chips to calibrate with.

    graph: without training branches. network: the same, where its layers can be equalized.
    chips: standardized, [N,S,S,3]; expected: their unit embeddings by the source's runtime.
    """
    if network is not None:
        known = chips if calibration is None else calibration
        graph = build_graph(equalize(network, known[:MOST_EQUALIZED]))
    ways: list[tuple[str, Floats | None]] = [("dynamic", None)]
    if calibration is not None:
        ways.append(("static", calibration))
    found = []
    for method, given in ways:
        content = convert(graph, "int8", given)
        found.append(_measure(method, content, chips, expected, work))
    return found


def _measure(method: str, content: bytes, chips: Floats, expected: Floats, work: Path) -> Candidate:
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"int8-{method}.tflite"
    path.write_bytes(content)
    engine = LiteRTEngine(path)
    rows, seconds = [], []
    for chip in chips:
        started = time.process_time()
        rows.append(engine.embed(chip[None]))
        seconds.append(time.process_time() - started)
    cosine = float((normalise(np.concatenate(rows)) * expected).sum(axis=1).mean())
    return Candidate(method, content, cosine, 1000 * statistics.median(seconds))


def better(
    found: Sequence[Candidate], quality: Callable[[Candidate], float], slack: float
) -> Candidate:
    """The best one, or a faster one whose quality is lower by no more than `slack`."""
    best = max(found, key=quality)
    close = [one for one in found if quality(one) >= quality(best) - slack]
    fastest = min(close, key=lambda one: one.milliseconds)
    faster = fastest.milliseconds < SPEED_GAIN * best.milliseconds
    return fastest if faster else best


def describe(found: Sequence[Candidate], chosen: Candidate | None) -> str:
    """A line for each, for people."""
    lines = [
        f"int8, {one.method}: mean cosine {one.cosine:.4f}, {one.milliseconds:.1f} ms a face, "
        f"{len(one.content) / 1e6:.2f} MB{', served' if one is chosen else ''}"
        for one in found
    ]
    return "\n".join(lines)
