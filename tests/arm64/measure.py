"""How far apart processors' embeddings of the same faces are. Prints the table of comparison.py.

python -m tests.arm64.measure PICTURE... [--model FOLDER] [--chips parity.npz]

Every PICTURE has a face. Chips are cut on this processor and embedded on each: what kernels do.
Then each processor finds and cuts the faces by itself: what callers see.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align import Detector
from model_layer import load
from model_layer.files import MODELS, bundled_models
from tests.arm64 import machine
from tests.arm64.embed_chips import chip_of

PROGRAM = "tests.arm64.embed_chips"
# Names of qemu's. `max` without SME has what Graviton3 and 4 have: SVE, int8 and bfloat16 products.
ARM64 = {"arm64 N1": machine.GRAVITON2, "arm64 i8mm": "max,sme=off"}
X86 = {"AVX2": "Haswell-noTSX", "SSE4": "Nehalem"}
X86_EMULATOR = "qemu-x86_64"
Vectors = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=MODELS / bundled_models()[0])
    options = parser.parse_args()
    model, detector = load(options.model), Detector.load()
    cut = {path: chip_of(path.read_bytes(), detector, model) for path in options.pictures}
    chips = [chip for chip in cut.values() if chip is not None]
    pictures = [path.resolve() for path, chip in cut.items() if chip is not None]
    stored = options.model / "parity.npz"
    with tempfile.TemporaryDirectory() as folder:
        known = np.load(stored)["chips"] if stored.exists() else np.stack(chips)[:0]
        np.save(Path(folder) / "chips.npy", np.concatenate([np.stack(chips), known]))
        words = [PROGRAM, options.model.resolve(), Path(folder) / "chips.npy", *pictures]
        found = dict(answers([str(word) for word in words]))
    for line in table(found, np.load(stored)["float32"] if stored.exists() else None):
        print(line)


def answers(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """What each processor answers, by its name in the table."""
    yield "here", json.loads(native(words))
    for name, cpu in ARM64.items():
        machine.prepare()
        yield name, json.loads(machine.run(words, cpu))
    for name, cpu in X86.items() if shutil.which(X86_EMULATOR) else ():
        yield name, json.loads(native(words, X86_EMULATOR, "-cpu", cpu))


def native(words: Sequence[str], *emulation: str) -> str:
    # qemu 7.2 faults on lanes that a masked AVX2 load leaves out, which NumPy's exp relies on.
    extra = {"NPY_DISABLE_CPU_FEATURES": "X86_V3"} if emulation else {}
    command = [*emulation, sys.executable, "-m", *words]
    environment = {**os.environ, **extra}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=machine.ROOT, env=environment
    )
    return done.stdout


def table(found: dict[str, Any], float32: Vectors | None) -> Iterator[str]:
    """Markdown: for each two processors, the gaps (L2) and what distances between faces differ by."""
    yield "| processors | same chips | worst | own chips | worst | distances, worst |"
    yield "|---|---|---|---|---|---|"
    for one, other in combinations(found, 2):
        columns = []
        for kind in ("chips", "pictures"):
            vectors = [np.asarray(found[each][kind], np.float32) for each in (one, other)]
            gaps = np.linalg.norm(vectors[0] - vectors[1], axis=1)
            columns += [f"{np.median(gaps):.4f}", f"{gaps.max():.4f}"]
        columns.append(f"{np.abs(spread(vectors[0]) - spread(vectors[1])).max():.4f}")
        yield f"| {one}, {other} | {' | '.join(columns)} |"
    yield "check chip: " + ", ".join(f"{name} {each['deviation']:.4f}" for name, each in found.items())
    if float32 is not None:
        ours = np.asarray(found["here"]["chips"], np.float32)[-len(float32) :]
        gaps = np.linalg.norm(ours - float32, axis=1)
        yield f"int8 here, float32: {np.median(gaps):.4f}, worst {gaps.max():.4f}"


def spread(vectors: Vectors) -> Vectors:
    """Distances between all, float32 [N,D] -> float32 [N,N]."""
    return np.asarray(np.linalg.norm(vectors[:, None] - vectors[None], axis=2), np.float32)


if __name__ == "__main__":
    main()
