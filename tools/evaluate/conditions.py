"""`python -m tools.evaluate.conditions`: what a model loses on worse pictures.

Pictures are made worse (smaller, blurred, darker, noisier, tilted, with a drawn mask) and go the
product's own way once more. The threshold is the model's default, as in use. Three tables in
Markdown: one picture of each labelled pair is worse, the other as it is; both pictures are worse in
the same way, for all pairs of strangers among the pictures, before and after the model's refusal of
faces that it cannot tell apart; and the untouched pairs, by how far the more turned of the two
faces is turned. You can interrupt it: the same command continues where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import align
import model_layer
from align.quality import estimate_pose
from tools.evaluate import measurement, protocol
from tools.evaluate.__main__ import BUNDLED, LFW, check_inputs, exit_with_message
from tools.evaluate.cache import Arrays, compute_in_chunks, digest_of, key_of
from tools.evaluate.dataset import Pairs, Pictures, open_pictures, read_pairs, require_measurable
from tools.evaluate.embedding import (
    EmbedOptions,
    FaceChoice,
    alignment_of,
    embed_chips,
    face_of,
    make_chips,
)
from tools.evaluate.people import People, identify
from tools.evaluate.protocol import Bools, Floats
from tools.evaluate.rates import rate_at
from tools.evaluate.strangers import count_all
from tools.evaluate.worse import CONDITIONS

YAW_EDGES = (0.0, 15.0, 30.0, 90.0)  # degrees
ROUNDS = 200  # of a bootstrap


def find_faces(
    pictures: Pictures, names: Sequence[str], choice: FaceChoice, folder: Path
) -> list[align.Face]:
    """The face of each picture, as `make_chips` chooses it; kept in `folder`."""
    facts = {"pictures": pictures.digest, "names": names, "code": digest_of("align")}
    key = key_of(**facts, detector=choice.detector, rule=choice.rule)
    detector = align.Detector.load(choice.detector, threads=1)

    def make(rows: Sequence[int]) -> Arrays:
        found = [face_of(pictures, names[row], detector, choice)[1] for row in rows]
        return {
            "boxes": np.array([face.box for face in found]),
            "landmarks": np.stack([face.landmarks for face in found]),
            "scores": np.array([face.score for face in found]),
        }

    kept = compute_in_chunks(folder / f"faces-{key}", len(names), "finding faces", make)
    rows = zip(kept["boxes"].tolist(), kept["landmarks"], kept["scores"].tolist(), strict=True)
    return [align.Face(tuple(box), landmarks, score) for box, landmarks, score in rows]


def worsen(pictures: Pictures, faces: Mapping[str, align.Face], condition: str) -> Pictures:
    """The same pictures under a condition, as PNG files."""

    def read(name: str) -> bytes:
        pixels = CONDITIONS[condition](align.decode(pictures.read(name)).pixels, faces[name])
        return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])

    return Pictures(read, f"{pictures.digest}, {condition}, {digest_of('tools/evaluate/worse.py')}")


def row(label: str, distances: Floats, pairs: Pairs, found: Bools, threshold: float) -> str:
    """One condition. found: bool[P], whether the face of the worse picture was found.

    Accuracy is over all pairs, with the centre of the picture where no face was found, and its
    threshold comes from the other folds under the same condition; the two rates are over the
    pairs with a face at the model's own threshold.
    """
    accuracy = protocol.fold_accuracy(distances, pairs.same, pairs.folds).mean
    accepted = distances <= threshold
    refused, mistaken = share(~accepted[found & pairs.same]), share(accepted[found & ~pairs.same])
    return f"| {label} | {share(~found)} | {accuracy:.4f} | {refused} | {mistaken} |"


def turned_rows(
    distances: Floats, pairs: Pairs, faces: Sequence[align.Face], threshold: float
) -> list[str]:
    """The untouched pairs by yaw: refused among the same, accepted among the different."""
    yaws = np.abs([estimate_pose(face.landmarks)[0] for face in faces])
    further = np.maximum(yaws[pairs.left], yaws[pairs.right])
    accepted = distances <= threshold
    rows = []
    for low, high in itertools.pairwise(YAW_EDGES):
        inside = (further >= low) & (further < high)
        same, different = inside & pairs.same, inside & ~pairs.same
        rows.append(
            f"| {low:.0f} to {high:.0f} degrees | {same.sum()} | {share(~accepted[same])} "
            f"| {different.sum()} | {share(accepted[different])} |"
        )
    return rows


def share(chosen: Bools) -> str:
    """How many are true, of one."""
    return f"{chosen.mean():.3f}" if chosen.size else "-"


@dataclass(frozen=True)
class Worn:
    """All pictures under one condition: float32[N,D] unit vectors, the network's own norms
    float32[N], and where a face was found."""

    vectors: npt.NDArray[np.float32]
    norms: npt.NDArray[np.float32]
    found: Bools


@dataclass(frozen=True)
class Material:
    """What the tables are made from; `worn` begins with the untouched pictures."""

    model: model_layer.Model
    pairs: Pairs
    people: People
    faces: Sequence[align.Face]
    worn: Mapping[str, Worn]


UNTOUCHED = "as it is"


def prepare(
    model: model_layer.Model, pairs_file: Path, images: Path, cache: Path, jobs: int = 1
) -> Material:
    """Embeds every picture under every condition, or takes it from `cache`."""
    pairs = read_pairs(pairs_file)
    require_measurable(pairs)
    pictures = open_pictures(images)
    choice = FaceChoice("fast", "central", alignment_of(model))
    faces = find_faces(pictures, pairs.names, choice, cache)
    by_name = dict(zip(pairs.names, faces, strict=True))
    sources = {name: worsen(pictures, by_name, name) for name in CONDITIONS}
    worn = {}
    for label, source in {UNTOUCHED: pictures, **sources}.items():
        chips = make_chips(source, pairs.names, choice, cache, jobs)
        made = embed_chips(model, chips, EmbedOptions(), cache)
        worn[label] = Worn(made.vectors, made.norms, chips.found)
    return Material(model, pairs, identify(pairs), faces, worn)


def one_worse_table(material: Material) -> Iterator[str]:
    """The first table: one picture of each labelled pair is worse."""
    pairs, plain = material.pairs, material.worn[UNTOUCHED].vectors
    yield "| one picture of the pair | no face found | accuracy | same refused | others accepted |"
    yield "|---|---|---|---|---|"
    for label, worn in material.worn.items():
        distances = pair_distances(plain, worn.vectors, pairs)
        found = worn.found[pairs.right]
        yield row(label, distances, pairs, found, material.model.manifest.threshold)


def both_worse_table(material: Material) -> Iterator[str]:
    """The second table: strangers accepted where both pictures are worse in the same way."""
    manifest = material.model.manifest
    yield (
        "| both pictures | faces found | strangers accepted (95 % interval) "
        "| faces refused | accepted after it |"
    )
    yield "|---|---|---|---|---|"
    for label, worn in material.worn.items():
        before = strangers_accepted(worn, worn.found, material.people, manifest.threshold)
        cells = ["-", "-"]
        if manifest.refusal is not None:
            clear = ~manifest.refusal.refuses(worn.vectors, worn.norms)
            after = strangers_accepted(
                worn, worn.found & clear, material.people, manifest.threshold
            )
            cells = [f"{1 - clear[worn.found].mean():.3f}", after]
        yield f"| {label} | {worn.found.mean():.3f} | {before} | {cells[0]} | {cells[1]} |"


def strangers_accepted(worn: Worn, chosen: Bools, people: People, threshold: float) -> str:
    """The share among the chosen pictures, bool[N], in words."""
    kept = People(people.index[chosen], people.source, people.complete)
    if len(np.unique(kept.index)) < 2:
        return "-"
    counted = count_all(worn.vectors[chosen], kept, np.zeros(len(kept.index), np.int64))
    rate = rate_at(counted, threshold, kept.count, ROUNDS)
    return f"{rate.value:.2g} ({rate.low:.2g} to {rate.high:.2g})"


def measure(model_name: str, pairs_file: Path, images: Path, cache: Path) -> Iterator[str]:
    """Lines of Markdown: the three tables, an empty line between."""
    material = prepare(model_layer.load(model_name), pairs_file, images, cache)
    plain, threshold = material.worn[UNTOUCHED].vectors, material.model.manifest.threshold
    yield from one_worse_table(material)
    yield from ("", *both_worse_table(material))
    yield from ("", "| turned by | same | refused | others | accepted |", "|---|---|---|---|---|")
    distances = pair_distances(plain, plain, material.pairs)
    yield from turned_rows(distances, material.pairs, material.faces, threshold)


def pair_distances(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], pairs: Pairs
) -> Floats:
    """L2 distances float64[P] between the left pictures' and the right pictures' embeddings."""
    both = np.concatenate([left, right])
    return measurement.pair_distances(
        both, pairs.left, pairs.right + len(left), pairs.folds, subtract_mean=False
    )


def main(words: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.conditions", description=__doc__
    )
    parser.add_argument("--model", default=BUNDLED, help="id or folder")
    parser.add_argument("--pairs", type=Path, default=LFW / "pairs.csv", metavar="CSV")
    parser.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    parser.add_argument("--cache", type=Path, default=Path("out/conditions"), metavar="DIR")
    options = parser.parse_args(words)
    check_inputs(options)
    with exit_with_message():
        for line in measure(options.model, options.pairs, options.images, options.cache):
            print(line, flush=True)


if __name__ == "__main__":
    main()
