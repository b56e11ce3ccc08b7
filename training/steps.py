"""The steps of the command line, in order; each leaves files that the next one reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from model_layer.standardize import standardize
from training.data import Examples, Pixels, decode_chips, load_examples, upright_chips
from training.describe import describe, ship
from training.equalize import equalize
from training.export import write_files, write_parity
from training.fit import FitSettings, fit
from training.network import Array, Plain, Weights, embed
from training.weights import load_weights, mixed, read_openvino, save_weights

EQUALIZED_ON = 128  # chips
CALIBRATED_ON = 300
CALIBRATION_SEED = 1
BATCH = 32


@dataclass(frozen=True)
class Plan:
    """Where everything is and what to do. mix: share of the trained weights that is exported."""

    data: Path
    published: Path
    lfw: Path
    work: Path
    out: Path
    bundle: Path
    id: str
    fit: FitSettings
    mix: float = 1.0
    command: tuple[str, ...] = ()

    @property
    def chips(self) -> Path:
        return self.work / "chips.npy"

    @property
    def targets(self) -> Path:
        return self.work / "targets.npy"

    @property
    def start(self) -> Path:
        return self.work / "start.npz"

    @property
    def trained(self) -> Path:
        return self.work / "trained.npz"

    def examples(self) -> Examples:
        """Chips, the teacher's embeddings and names; chips are read from disk as needed."""
        return load_examples(self.data, self.chips, self.targets)


def prepare(plan: Plan) -> None:
    """What is done once: decode the chips, ask the published network of them, equalize it."""
    plan.work.mkdir(parents=True, exist_ok=True)
    published = read_openvino(plan.published)
    if not plan.chips.exists():
        decode_chips(plan.data, plan.chips)
    if not plan.targets.exists():
        save_targets(plan.targets, published, np.load(plan.chips, mmap_mode="r"))
    if not plan.start.exists():
        views = plan.examples().calibration(EQUALIZED_ON, 0)
        save_weights(plan.start, equalize(published, standardize(views, "fixed")))


def save_targets(path: Path, teacher: Weights, chips: Pixels) -> None:
    """Write the teacher's answers to these chips as they are: float32[N,256] of unit length.

    Of exactly what the student sees: answers to another crop of the same faces (mean cosine 0.92)
    pull it away from the teacher on good pictures.
    """
    embed_chips = tf.function(lambda views: embed(Plain(teacher), views))
    found = []
    for start in tqdm(range(0, len(chips), BATCH), "targets", unit="batch"):
        views = standardize(upright_chips(chips[start : start + BATCH]), "fixed")
        found.append(unit(embed_chips(tf.constant(views)).numpy()))
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.concatenate(found))
    partial.replace(path)


def unit(embeddings: Array) -> Array:
    """Rows of float32[N,D] at length 1."""
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))


def train(plan: Plan) -> None:
    """Train and keep the averaged weights."""
    examples = plan.examples()
    weights = fit(load_weights(plan.start), examples, plan.work, plan.fit)
    save_weights(plan.trained, weights)
    print(f"held out: mean cosine {held_out_cosine(weights, examples):.4f} to the teacher")


def held_out_cosine(weights: Weights, examples: Examples) -> float:
    """Mean cosine to the teacher over chips that were never trained on."""
    _, rows = examples.split()
    outputs = run(weights, standardize(upright_chips(examples.chips[rows]), "fixed"))
    return float((unit(outputs) * examples.targets[rows]).sum(1).mean())


def run(weights: Weights, chips: Array) -> Array:
    """Outputs float32[N,256], not normalized, of standardized chips float32[N,128,128,3]."""
    parts = range(0, len(chips), BATCH)
    return np.concatenate(
        [np.asarray(embed(Plain(weights), chips[start : start + BATCH])) for start in parts]
    )


def export(plan: Plan) -> None:
    """int8 and float32 files, and the float32 answers that int8 is checked against."""
    weights = load_weights(plan.trained)
    if plan.mix < 1:
        weights = mixed(load_weights(plan.start), weights, plan.mix)
    examples = plan.examples()
    alike = examples.calibration(EQUALIZED_ON, 0)
    views = examples.calibration(CALIBRATED_ON, CALIBRATION_SEED)
    write_files(equalize(weights, standardize(alike, "fixed")), plan.out, views)
    write_parity(plan.out)


def manifest(plan: Plan) -> None:
    """Measure the exported files through the product's own path and describe them."""
    describe(plan.out, plan.id, plan.lfw, plan.data, plan.work, plan.command)


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
