"""How far apart processors' embeddings of the same faces are. Prints the table of docs/deploy.md.

python -m tests.arm64.measure PICTURE... [--model FOLDER]

Every PICTURE has a face. The same chips are embedded on each processor, which shows its kernels;
then each finds and cuts the faces by itself. The first row shows what the smallest change of the
chips does on one processor: an int8 network answers it with other roundings in every layer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align import Detector
from model_layer import load
from model_layer.files import MODELS, bundled_models
from tests.arm64 import machine
from tests.arm64.embed_chips import Chips, chip_of

PROGRAM = "tests.arm64.embed_chips"
# Names of qemu's. `max` without SME has what Graviton3 and 4 have: SVE, int8 and bfloat16 products.
ARM64 = {"arm64, Neoverse N1": machine.GRAVITON2, "arm64, SVE and int8 products": "max,sme=off"}
X86 = {"AVX2": "Haswell-noTSX"}
X86_EMULATOR = "qemu-x86_64"
CHANGED = 1e-4  # share of a chip's numbers that the first row changes by one grey level
Vectors = NDArray[np.float32]
Answer = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=MODELS / bundled_models()[0])
    options = parser.parse_args()
    model, detector = load(options.model), Detector.load()
    cut = [chip_of(path.read_bytes(), detector, model) for path in options.pictures]
    chips = np.stack([chip for chip in cut if chip is not None])
    paths = [str(path.resolve()) for path in options.pictures]
    with tempfile.TemporaryDirectory() as folder:
        words = [PROGRAM, str(options.model.resolve()), f"{folder}/chips.npy"]
        np.save(words[-1], changed(chips))
        moved = json.loads(native(words))
        np.save(words[-1], chips)
        here = json.loads(native([*words, *paths]))
        print("| against here | same chips | worst | own chips | worst | distances | check |")
        print("|---|---|---|---|---|---|---|")
        print(row("one grey level of 1 in 10,000", here, {**here, "chips": moved["chips"]}))
        for name, answer in elsewhere([*words, *paths]):
            print(row(name, here, answer), flush=True)


def changed(chips: Chips) -> Chips:
    """The chips with a few numbers one higher or lower."""
    rng = np.random.default_rng(0)
    steps = rng.choice([-1, 1], chips.shape) * (rng.random(chips.shape) < CHANGED)
    return np.clip(chips + steps, 0, 255).astype(np.uint8)


def elsewhere(words: Sequence[str]) -> Iterator[tuple[str, Answer]]:
    """What each emulated processor answers, by its name in the table."""
    machine.prepare()
    for name, cpu in ARM64.items():
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


def row(name: str, here: Answer, there: Answer) -> str:
    """A line of the table: gaps (L2), and the most that a distance between two faces differs by."""
    columns, most = [], 0.0
    for kind in ("chips", "pictures"):
        one, other = vectors(here[kind]), vectors(there[kind])
        gaps = np.linalg.norm(one - other, axis=1)
        columns += [f"{np.median(gaps):.4f}", f"{gaps.max():.4f}"]
        most = max(most, float(np.abs(spread(one) - spread(other)).max()))
    return f"| {name} | {' | '.join(columns)} | {most:.4f} | {there['deviation']:.4f} |"


def vectors(found: Sequence[Sequence[float] | None]) -> Vectors:
    """float32 [N,D] of those that have one."""
    return np.array([each for each in found if each is not None], np.float32)


def spread(found: Vectors) -> Vectors:
    """Distances between all, float32 [N,D] -> float32 [N,N]."""
    return np.asarray(np.linalg.norm(found[:, None] - found[None], axis=2), np.float32)


if __name__ == "__main__":
    main()
