"""`python -m tools.train.gap`: how well a student follows its teachers on new faces too.

Mean cosines on chips that were trained on and on held-out ones; on made faces that were not trained
on, by the source of the first of their two faces; and on the pictures of LFW. Only the second
teacher is here to name the last two. Prints the table of the model card.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from align import SimilarityAlignment
from tools.evaluate.dataset import open_pictures, read_pairs
from tools.evaluate.embedding import FaceChoice, make_chips
from tools.train import steps
from tools.train.__main__ import parse_arguments as parse_training
from tools.train.__main__ import plan as plan_training
from tools.train.augment import SIZE, centre
from tools.train.data import Examples, Indices, Pixels, read_rows
from tools.train.second_teacher import SecondTeacher, view
from tools.train.student import head_outputs, unit
from tools.train.weights import Array, Weights, load_facenet, load_weights

TRAINED = 1_000  # chips of the training set that are looked at
MADE = 500  # made faces of each source
UNSEEN = 10_000_000  # number of the first; no training goes as far
FACES = FaceChoice("fast", "central", SimilarityAlignment(size=SIZE))


def main(words: Sequence[str] | None = None) -> None:
    """Prints one row per kind of picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.gap", description=__doc__)
    parser.add_argument("--work", type=Path, metavar="DIR", required=True, help="of the training")
    options = parser.parse_args(words)
    plan = plan_training(parse_training(["fit", "--work", str(options.work)]))
    print("\n".join(measure(plan, load_weights(plan.student))))


def measure(plan: steps.Plan, weights: Weights) -> list[str]:
    """Lines of Markdown for a student with one head per teacher, on the faces of a training."""
    examples = plan.examples()
    train, held_out = examples.split()
    lines = ["| pictures | | cosine to teacher 1 | cosine to teacher 2 |", "|---|---|---|---|"]
    some = np.sort(np.random.default_rng(0).permutation(train)[:TRAINED])
    for name, rows in (("trained on", some), ("held out", held_out)):
        outputs = head_outputs(weights, centre(examples.chips[rows]))
        cosines = [mean_cosine(*each, rows) for each in zip(outputs, examples.targets, strict=True)]
        lines.append(f"| chips {name} | {len(rows):,} | {cosines[0]:.3f} | {cosines[1]:.3f} |")
    teacher = SecondTeacher(load_facenet(plan.facenet))
    lines += [
        f"| made faces, {source} | {len(chips):,} | | {followed(weights, teacher, chips):.3f} |"
        for source, chips in made_faces(plan, examples)
    ]
    chips = lfw_chips(plan)
    lines.append(f"| LFW folds 1-3 | {len(chips):,} | | {followed(weights, teacher, chips):.3f} |")
    return lines


def mean_cosine(outputs: Array, targets: Array, rows: Indices) -> float:
    """Of float32[N,D] and the named rows of float32[M,D], unit vectors both."""
    return float((outputs * targets[rows]).sum(1).mean())


def lfw_chips(plan: steps.Plan) -> Pixels:
    """Every picture of the pairs once, aligned by the product: uint8[N,112,112,3]."""
    names = read_pairs(plan.lfw / "pairs.csv").names
    folder = plan.work / "reports" / "cache"
    return make_chips(open_pictures(plan.lfw / "images.zip"), names, FACES, folder).pixels


def made_faces(plan: steps.Plan, examples: Examples) -> Iterator[tuple[str, Pixels]]:
    """Faces that no training has seen, by the source of their first chip: uint8[MADE,H,W,3]."""
    made = plan.made(examples)
    sources = np.array([row["source"] for row in read_rows(plan.data)])
    for source in np.unique(sources):
        fitting = (
            number
            for number in itertools.count(UNSEEN)
            if sources[made.first_row(number)] == source
        )
        yield str(source), np.stack([made.make(face) for face in itertools.islice(fitting, MADE)])


def followed(weights: Weights, teacher: SecondTeacher, chips: Pixels) -> float:
    """Mean cosine to the second teacher on uint8[N,H,W,3] chips, which it is asked about now."""
    targets = unit(np.stack([teacher.embed(view(chip)) for chip in chips]))
    outputs = head_outputs(weights, np.ascontiguousarray(centre(chips)))[1]
    return mean_cosine(outputs, targets, np.arange(len(chips)))


if __name__ == "__main__":
    main()
