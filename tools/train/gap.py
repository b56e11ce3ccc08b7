"""`python -m tools.train.gap`: how well a student follows its teachers on new faces too.

Mean cosines on chips that were trained on, on held-out ones, and on the pictures of LFW, which only
the second teacher is here to name. Prints the table of the model card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align import SimilarityAlignment
from tools.evaluate.dataset import open_pictures, read_pairs
from tools.evaluate.embedding import FaceChoice, make_chips
from tools.train import steps
from tools.train.__main__ import parse_arguments as parse_training
from tools.train.__main__ import plan as plan_training
from tools.train.augment import SIZE, centre
from tools.train.data import Indices, Pixels
from tools.train.second_teacher import SecondTeacher, view
from tools.train.student import head_outputs, unit
from tools.train.weights import Array, load_facenet, load_weights

TRAINED = 1_000  # chips of the training set that are looked at
FACES = FaceChoice("fast", "central", SimilarityAlignment(size=SIZE))


def main(words: Sequence[str] | None = None) -> None:
    """Prints one row per kind of picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.gap", description=__doc__)
    parser.add_argument("--work", type=Path, metavar="DIR", required=True, help="of the training")
    options = parser.parse_args(words)
    print("\n".join(measure(options.work)))


def measure(work: Path) -> list[str]:
    """Lines of Markdown for the student in a training's folder."""
    plan = plan_training(parse_training(["fit", "--work", str(work)]))
    weights = load_weights(plan.student)
    examples = plan.examples()
    train, held_out = examples.split()
    lines = ["| pictures | | cosine to teacher 1 | cosine to teacher 2 |", "|---|---|---|---|"]
    some = np.sort(np.random.default_rng(0).permutation(train)[:TRAINED])
    for name, rows in (("trained on", some), ("held out", held_out)):
        outputs = head_outputs(weights, centre(examples.chips[rows]))
        cosines = [mean_cosine(*each, rows) for each in zip(outputs, examples.targets, strict=True)]
        lines.append(f"| chips {name} | {len(rows):,} | {cosines[0]:.3f} | {cosines[1]:.3f} |")
    chips = lfw_chips(plan)
    targets = second_opinion(plan, chips)
    followed = mean_cosine(head_outputs(weights, chips)[1], targets, np.arange(len(chips)))
    return [*lines, f"| LFW folds 1-3 | {len(chips):,} | | {followed:.3f} |"]


def mean_cosine(outputs: Array, targets: Array, rows: Indices) -> float:
    """Of float32[N,D] and the named rows of float32[M,D], unit vectors both."""
    return float((outputs * targets[rows]).sum(1).mean())


def lfw_chips(plan: steps.Plan) -> Pixels:
    """Every picture of the pairs once, aligned by the product: uint8[N,112,112,3]."""
    names = read_pairs(plan.lfw / "pairs.csv").names
    folder = plan.work / "reports" / "cache"
    return make_chips(open_pictures(plan.lfw / "images.zip"), names, FACES, folder).pixels


def second_opinion(plan: steps.Plan, chips: Pixels) -> Array:
    teacher = SecondTeacher(load_facenet(plan.facenet))
    return unit(np.stack([teacher.embed(view(chip)) for chip in chips]))


if __name__ == "__main__":
    main()
