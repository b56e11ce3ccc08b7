"""`python -m tools.train.groups`: mistakes by collection, on chips that were never trained on.

Every pair of different held-out faces at the model's default threshold. A face without a name is
taken to be a person of its own. Prints the tables of the model card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import model_layer
from tools.shared import SHARED
from tools.train.__main__ import ID, ROOT
from tools.train.augment import centre
from tools.train.data import Examples, decode_chips, read_rows
from tools.train.weights import Array

NAMES = {"utk": "UTKFace", "pins": "Pins", "casia": "CASIA", "glint": "Glint"}
FEWEST = 100  # faces of a collection that a rate is given for


def main(words: Sequence[str] | None = None) -> None:
    """Prints false accepts and false rejects among the held-out chips."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.groups", description=__doc__)
    parser.add_argument("--model", default=ID, help="id or folder")
    parser.add_argument("--data", type=Path, default=SHARED / "faces" / "distill", metavar="DIR")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "train", metavar="DIR")
    options = parser.parse_args(words)
    print("\n".join(measure(options.model, options.data, options.work)))


def measure(model_name: str, data: Path, work: Path) -> list[str]:
    """Lines of Markdown for a model, an id or a folder. Decodes the chips where `work` has none."""
    chips = work / "chips.npy"
    if not chips.exists():
        work.mkdir(parents=True, exist_ok=True)
        decode_chips(data, chips)
    model = model_layer.load(model_name)
    pixels = np.load(chips, mmap_mode="r")
    _, held_out = Examples(pixels, ()).split()
    rows = read_rows(data)
    people = np.array([rows[each]["identity"] or f"row {each}" for each in held_out])
    collections = np.array([rows[each]["source"] for each in held_out])
    vectors = model.embed(np.ascontiguousarray(centre(pixels[held_out])))
    return table(vectors, people, collections, model.manifest.threshold)


def table(
    vectors: Array,
    people: npt.NDArray[np.str_],
    collections: npt.NDArray[np.str_],
    threshold: float,
) -> list[str]:
    """Lines of Markdown. vectors: float32[N,D] unit vectors; people, collections: str[N]."""
    left, right = np.triu_indices(len(vectors), 1)
    accepted = np.linalg.norm(vectors[left] - vectors[right], axis=1) <= threshold
    same = people[left] == people[right]
    lines = ["| held-out chips | faces | pairs | accepted |", "|---|---|---|---|"]
    groups = {NAMES[key]: collections == key for key in NAMES}
    for name, inside in {**groups, "all together": np.ones(len(people), bool)}.items():
        if inside.sum() >= FEWEST:
            chosen = inside[left] & inside[right] & ~same
            lines.append(
                f"| {name}, different people | {inside.sum()} | {chosen.sum():,} "
                f"| {accepted[chosen].mean():.4f} |"
            )
    return [*lines, f"| one person, by name | | {same.sum()} | {accepted[same].mean():.4f} |"]


if __name__ == "__main__":
    main()
