"""`python -m bench.recall`: what each detector finds in pictures as people send them.

Every picture shows one face that counts: the central one that `exact` finds in it as it is. LFW
from ../shared where it is there, else the portraits of events/pictures. Peers that are not
installed are named with what they need.
"""

import argparse
import random
from collections.abc import Mapping, Sequence

import align
from bench.recall import agreement, costs, strangers, tally
from bench.recall.conditions import CONDITIONS, Sample
from bench.recall.detectors import DETECTORS, Detect, load
from bench.recall.faceless import faceless
from bench.speed.pictures import PORTRAITS
from bench.speed.report import machine_and_date
from tools.evaluate.dataset import open_pictures, read_pairs
from tools.shared import SHARED

LFW = SHARED / "faces" / "lfw"
CHECKED_EVERY = 20  # picture's compare is timed with and without the orientation check
SCALED_EVERY = 40  # picture stands for ordinary ones of any size
# Pixels a side of the pictures without a face; `exact` takes seconds for the larger ones.
SIDES: Mapping[align.DetectorProfile, Sequence[int]] = {
    "fast": (40, 100, 250, 400, 1_000),
    "exact": (100, 250),
}

# These see every picture; the others a sample where one is asked for.
QUICK = ("fast", "fast, no second look")
COLUMNS = "| condition | detector | pictures | found | missed | wrong way up | false | median ms |"
PEOPLE = ("eileen_collins", "eileen_collins_second", "grace_hopper", "grace_hopper_second")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.recall", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every so many-th picture")
    parser.add_argument(
        "--sample", type=int, help="pictures a condition that the detectors but `fast` see; seeded"
    )
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    options = parser.parse_args()
    names, samples = read_samples(options.every)
    detectors: dict[str, Detect] = {}
    for name in options.detectors:
        detector = load(name)
        if isinstance(detector, str):
            print(detector)
        else:
            detectors[name] = detector
    print_recall(samples, detectors, options.conditions, options.sample)
    print_false_faces(detectors)
    if {"fast", "exact"} <= detectors.keys():
        print()
        print("\n".join(agreement.compare(sample.pixels for sample in samples).rows()), flush=True)
    print_costs(options.every)
    print_strangers(names, samples)
    print(f"\n{machine_and_date()}, `python -m bench.recall`.")


def read_samples(every: int) -> tuple[list[str], list[Sample]]:
    """Names of the people and their pictures, each with its face."""
    detector = align.Detector.load("exact")
    names, samples = [], []
    for name, data in read_files(every):
        picture = align.decode(data)
        faces = detector.detect(picture, retry=False)
        for index in align.select(faces, "central", picture.width, picture.height):
            names.append(name)
            samples.append(Sample(picture.pixels, faces[index]))
    return names, samples


def read_files(every: int) -> list[tuple[str, bytes]]:
    """(person, file) of LFW, or of the bundled portraits."""
    if not LFW.is_dir():
        files = [(name, (PORTRAITS / f"{name}.jpg").read_bytes()) for name in PEOPLE]
        return [(name.removesuffix("_second"), data) for name, data in files][::every]
    pictures = open_pictures(LFW / "images.zip")
    chosen = read_pairs(LFW / "pairs.csv").names[::every]
    return [(name.split("/")[0], pictures.read(name)) for name in chosen]


def print_recall(
    samples: Sequence[Sample],
    detectors: dict[str, Detect],
    conditions: Sequence[str],
    sample: int | None,
) -> None:
    """One row for each condition and detector, as soon as it is known."""
    few = random.Random(19).sample(samples, min(sample or len(samples), len(samples)))
    print("\n`false`: pictures with a face, but only where there is none.")
    print(f"\n{COLUMNS}\n|---|---|---|---|---|---|---|---|")
    for condition in conditions:
        for name, detect in detectors.items():
            seen = samples if name in QUICK else few
            row = tally.count(detect, map(CONDITIONS[condition], seen))
            counts = f"{len(seen)} | {row.found} | {row.missed} | {row.wrong_way_up} | {row.false}"
            print(f"| {condition} | {name} | {counts} | {row.milliseconds:.1f} |", flush=True)


def print_false_faces(detectors: dict[str, Detect]) -> None:
    """In how many pictures without a face each detector finds one."""
    pictures = list(faceless())
    print(f"\n| detector | of {len(pictures)} pictures without a face | median ms |\n|---|---|---|")
    for name, detect in detectors.items():
        found, milliseconds = tally.count_faceless(detect, pictures)
        print(f"| {name} | {found} | {milliseconds:.1f} |", flush=True)


def print_costs(every: int) -> None:
    """What the second look costs where there is no face, and where there is an ordinary one."""
    pictures = list(faceless())
    ordinary = [align.decode(data).pixels for _, data in read_files(max(every, SCALED_EVERY))]
    print("\n| no face: all looks in | median | 95 % | most |\n|---|---|---|---|")
    for name, sides in SIDES.items():
        detector = align.Detector.load(name)
        figures = costs.looks_in_ordinary_ones(detector, pictures, ordinary)
        print_cost(f"{name}: first looks at an ordinary picture of its size", figures)
        for side in sides:
            figures = costs.looks_in_first_ones(detector, costs.scaled(pictures, side))
            print_cost(f"{name}: first looks at it, {side} pixels a side", figures)
    files = [data for _, data in read_files(max(every, CHECKED_EVERY))]
    middle, most = costs.orientation_check(files)
    print(
        f"\nThe orientation check adds {middle - 1:.1%} to a warm compare (95 %: {most - 1:.1%})."
    )


def print_cost(kind: str, figures: Sequence[float]) -> None:
    """One row."""
    print(f"| {kind} | {' | '.join(f'{each:.1f}' for each in figures)} |", flush=True)


def print_strangers(names: Sequence[str], samples: Sequence[Sample]) -> None:
    """What the bundled model says of pictures that are turned, beside the upright ones."""
    print("\n| pictures | pairs of strangers that are `same` | with the upright embedding |")
    print("|---|---|---|")
    upright = None
    for condition in ("as it is", "turned 90", "turned 180", "turned 270"):
        vectors = strangers.embed(samples, CONDITIONS[condition])
        upright = vectors if upright is None else upright
        equal = int((vectors == upright).all(axis=1).sum())
        accepted = strangers.accepted(vectors, names)
        print(f"| {condition} | {accepted} | {equal} of {len(samples)} |", flush=True)


if __name__ == "__main__":
    main()
