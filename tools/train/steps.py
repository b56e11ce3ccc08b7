"""The steps of the command line, in order; each leaves files that the next one reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tools.train import network
from tools.train.augment import centre
from tools.train.channels import Design
from tools.train.data import Examples, Indices, decode_chips, load_targets, read_rows
from tools.train.describe import describe, ship
from tools.train.export import fold_heads, write_files, write_parity
from tools.train.fit import (
    FitSettings,
    fit,
    fit_heads,
    held_out_cosine,
    use_bfloat16,
)
from tools.train.morph import Morphs
from tools.train.narrow import narrow
from tools.train.read_tflite import read_tflite
from tools.train.second_teacher import write_targets
from tools.train.student import pooled_features
from tools.train.weights import (
    Layer,
    Weights,
    load_facenet,
    load_weights,
    mixed,
    save_weights,
)

NARROW_CHIPS = 1200
FOLD_CHIPS = 2000


@dataclass(frozen=True)
class Plan:
    """Where everything is and what to do."""

    data: Path
    facenet: Path
    lfw: Path
    work: Path
    out: Path
    bundle: Path
    id: str
    init_from: Path | None
    bfloat16: bool
    fit: FitSettings
    morphs: int = 0
    morphs_of: tuple[str, ...] = ()
    mix: float = 1.0
    command: tuple[str, ...] = ()

    @property
    def chips(self) -> Path:
        return self.work / "chips.npy"

    @property
    def second_targets(self) -> Path:
        return self.work / "second_teacher.npy"

    @property
    def morph_targets(self) -> Path:
        seed = f"_seed{self.fit.seed}" if self.fit.seed else ""  # which makes the faces
        return self.work / f"second_teacher_morphs_{self.morphs}{seed}.npy"

    @property
    def start(self) -> Path:
        return self.work / "start.npz"

    @property
    def student(self) -> Path:
        return self.work / "student.npz"

    def examples(self) -> Examples:
        """Chips and both teachers' embeddings; the chips are read from disk as needed."""
        paths = (self.data / "targets_int8.npy", self.second_targets)
        targets = tuple(load_targets(path) for path in paths)
        real = Examples(np.load(self.chips, mmap_mode="r"), targets)
        if not self.morphs:
            return real
        made = self.made(real)
        return replace(
            real,
            morphs=made,
            morph_targets=load_targets(self.morph_targets),
            morph_numbers=self._numbers(made),
        )

    def _numbers(self, made: Morphs) -> Indices | None:
        """The made faces whose first chip is of one of the sources `morphs_of`."""
        if not self.morphs_of:
            return None
        sources = [row["source"] for row in read_rows(self.data)]
        unknown = set(self.morphs_of) - set(sources)
        if unknown:
            raise SystemExit(
                f"--morphs-of: no chip comes from {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(set(sources)))}"
            )
        wanted = [source in self.morphs_of for source in sources]
        return np.flatnonzero([wanted[made.first_row(face)] for face in range(self.morphs)])

    def made(self, real: Examples) -> Morphs:
        """Faces made out of the chips that are trained on."""
        train, _ = real.split()
        return Morphs(real.chips, train, self.fit.seed)


def prepare(plan: Plan) -> None:
    """Everything that is done once: chips, second teacher, the network to start from."""
    plan.work.mkdir(parents=True, exist_ok=True)
    if not plan.chips.exists():
        decode_chips(plan.data, plan.chips)
    chips = np.load(plan.chips, mmap_mode="r")
    if not plan.second_targets.exists():
        facenet = load_facenet(plan.facenet)
        write_targets(facenet, chips.__getitem__, len(chips), plan.second_targets)
    if plan.morphs and not plan.morph_targets.exists():
        made = plan.made(Examples(chips, ()))
        write_targets(load_facenet(plan.facenet), made.make, plan.morphs, plan.morph_targets)
    if not plan.start.exists():
        random = np.random.default_rng(plan.fit.seed)
        save_weights(plan.start, fit_heads(_body(plan, random), plan.examples(), random))


def _body(plan: Plan, random: np.random.Generator) -> Weights:
    if plan.init_from is None:
        chips = np.load(plan.chips, mmap_mode="r")
        rows = random.choice(len(chips), min(NARROW_CHIPS, len(chips)), replace=False)
        standardized = (centre(chips[rows]).astype(np.float32) - 127.5) / 128.0
        return narrow(load_facenet(plan.facenet), standardized, Design(), random)
    read = read_tflite if plan.init_from.suffix == ".tflite" else load_weights
    return {
        name: layer
        for name, layer in read(plan.init_from).items()
        if not name.startswith(network.HEAD)
    }


def train(plan: Plan) -> None:
    """Fit the student and keep its averaged weights."""
    if plan.bfloat16:
        use_bfloat16()
    examples = plan.examples()
    weights = fit(load_weights(plan.start), examples, plan.work, plan.fit)
    save_weights(plan.student, weights)
    for teacher, cosine in held_out_cosine(weights, examples).items():
        print(f"held out, {teacher}: mean cosine {cosine:.4f}")


def export(plan: Plan) -> None:
    """One head, three precisions, and the float32 answers that the int8 file is checked against."""
    examples = plan.examples()
    weights = load_weights(plan.student)
    if plan.mix < 1 and plan.init_from is not None:
        weights = mixed(load_weights(plan.init_from), weights, plan.mix)
    train_rows, _ = examples.split()
    people = np.array([row["identity"] for row in read_rows(plan.data)])
    some = np.random.default_rng(plan.fit.seed).permutation(train_rows)[:FOLD_CHIPS]
    rows = np.union1d(some, train_rows[people[train_rows] != ""])
    pooled = pooled_features(weights, centre(examples.chips[rows]))
    heads = [weights[name] for name in sorted(weights) if name.startswith(network.HEAD)]
    final: dict[str, Layer] = {
        name: layer for name, layer in weights.items() if not name.startswith(network.HEAD)
    }
    final[network.HEAD] = fold_heads(heads, pooled, people[rows])
    write_files(final, plan.out)
    write_parity(plan.out)


def manifest(plan: Plan) -> None:
    """Measure the exported int8 file through the product's own path and describe it."""
    describe(plan.out, plan.id, plan.lfw, plan.work, plan.command)


def bundle(plan: Plan) -> None:
    """Put the described int8 file where the product finds it."""
    ship(plan.out, plan.bundle)


STEPS: dict[str, Callable[[Plan], None]] = {
    "prepare": prepare,
    "fit": train,
    "export": export,
    "manifest": manifest,
    "bundle": bundle,
}
