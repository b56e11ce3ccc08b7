"""`python -m tools.evaluate.groups`: how often strangers of one group are taken for one person.

Prints false-accept rates at the model's default threshold within and between groups, with 95 %
intervals from resampling people: of all pairs of strangers, and of those ten years or more apart.
Where the file names nobody, each face counts as a person; since some people may be there twice,
pairs nearer than 0.35 are left out, and the rate of all pairs is an upper bound. Then the threshold
at which the worst group of adults meets the rate of the default threshold. OUT/groups.png shows the
rates between all groups.

A set of your own: a CSV with the column `image` (or `chip`), any columns to group by, and if known
`person` and `age`. `--images` are pictures, which go the product's own way; `--chips` are 120x120
chips, aligned to the customary 112x112 template with 4 pixels more on each side. With a column
`use`, only rows that say `measure` count.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import align
import model_layer
from align.alignment import TEMPLATE
from tools.evaluate import cache
from tools.evaluate.__main__ import BUNDLED, exit_with_message
from tools.evaluate.dataset import Pictures, open_pictures
from tools.evaluate.embedding import (
    Chips,
    EmbedOptions,
    FaceChoice,
    alignment_of,
    embed_chips,
    make_chips,
)
from tools.evaluate.group_rates import Cell, Faces, Measured, measure_groups
from tools.shared import SHARED

DISTILL = SHARED / "faces" / "distill"
NOT_GROUPS = {"chip", "image", "age", "person", "use"}
ADULT = 18
CHILDREN = ((0, 4, "children under 4"), (4, 12, "children 4 to 11"), (12, 18, "youths 12 to 17"))
YEARS_APART = 10.0
FEWEST_FACES = 20  # of a group that a rate is given for
EDGE = 4  # pixels that a stored chip has beyond the template, on each side


def add_sources(parser: Any) -> None:
    """The options that name a labelled set."""
    parser.add_argument("--groups", type=Path, default=DISTILL / "groups.csv", metavar="CSV")
    parser.add_argument("--chips", type=Path, default=DISTILL / "chips.zip", metavar="ZIP|DIR")


def main(words: Sequence[str] | None = None) -> None:
    """Prints the tables and writes groups.json and groups.png."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=BUNDLED, help=f"id or folder ({BUNDLED})")
    add_sources(parser)
    parser.add_argument("--images", type=Path, metavar="ZIP|DIR", help="pictures, not chips")
    parser.add_argument("--out", type=Path, default=Path("out/groups"), metavar="DIR")
    options = parser.parse_args(words)
    for path in (options.groups, options.images or options.chips):
        if not path.exists():
            raise SystemExit(f"{path} does not exist; name your own with --groups and --images")
    with exit_with_message():
        model = model_layer.load(options.model)
        measured = measure(model, options.groups, options.chips, options.out, options.images)
        write(measured, options.out)
    print("\n".join(to_markdown(measured)))
    print(f"\nwritten: {options.out}/groups.json and groups.png")


def measure(
    model: model_layer.Model, labels: Path, chips: Path, out: Path, images: Path | None = None
) -> Measured:
    """All rates at the model's default threshold."""
    far = model.manifest.far
    if far is None:
        raise SystemExit(f"{model.id} has no measured rates: run tools.evaluate.calibrate first")
    rows = read_labels(labels)
    names = [row.get("chip") or row["image"] for row in rows]
    if images is None:
        aligned = align_chips(open_pictures(chips), names, model, out / "cache")
    else:
        choice = FaceChoice("fast", "central", alignment_of(model))
        aligned = make_chips(open_pictures(images), names, choice, out / "cache")
    vectors = embed_chips(model, aligned, EmbedOptions(), out / "cache").vectors
    faces, known_ages = faces_of(rows, vectors), any(row.get("age") for row in rows)
    groups = {
        name: faces.chosen(inside & aligned.found)
        for name, inside in group_rows(rows).items()
        if (inside & aligned.found).sum() >= FEWEST_FACES
    }
    threshold = model.manifest.threshold
    return Measured(
        faces={name: len(group.people) for name, group in groups.items()},
        children=frozenset(name for _, _, name in CHILDREN),
        everyone=measure_groups(groups, threshold, far),
        apart=measure_groups(groups, threshold, far, YEARS_APART) if known_ages else {},
        threshold=threshold,
        far=far,
        protocol=f"{labels.stem}, {sum(len(group.people) for group in groups.values()):,} faces"
        + (f", pairs {YEARS_APART:g} years or more apart" if known_ages else ""),
    )


def read_labels(path: Path) -> list[dict[str, str]]:
    """The rows to measure. Exits where the file has no column of names or no group."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if (row.get("use") or "measure") == "measure"]
    if not rows or not ({"chip", "image"} & set(rows[0])) or not (set(rows[0]) - NOT_GROUPS):
        raise SystemExit(f"{path} needs the column image (or chip), a column to group by, and rows")
    for line, row in enumerate(rows, 1):
        if row.get("age") and not row["age"].replace(".", "", 1).isdecimal():
            raise SystemExit(f"{path}, row {line} to measure: age {row['age']!r} is not a number")
    return rows


def faces_of(rows: Sequence[dict[str, str]], vectors: NDArray[np.float32]) -> Faces:
    """Vectors with people and ages; a face without a name is a person of its own."""
    numbers: dict[str, int] = {}
    people = [
        numbers.setdefault(row.get("person") or f"row {place}", len(numbers))
        for place, row in enumerate(rows)
    ]
    ages = [float(row["age"]) if row.get("age") else np.nan for row in rows]
    return Faces(vectors, np.array(people), np.array(ages))


def group_rows(rows: Sequence[dict[str, str]]) -> dict[str, NDArray[np.bool_]]:
    """Which rows are in which group, bool[N]: adults by their labels, children by age alone."""
    columns = sorted(set(rows[0]) - NOT_GROUPS)
    ages = np.array([float(row["age"]) if row.get("age") else ADULT for row in rows])
    labels = np.array([" ".join(row[column] for column in columns) for row in rows])
    adults = {name: (labels == name) & (ages >= ADULT) for name in np.unique(labels).tolist()}
    young = {name: (ages >= low) & (ages < high) for low, high, name in CHILDREN}
    return {**adults, **young}


def align_chips(
    pictures: Pictures, names: Sequence[str], model: model_layer.Model, folder: Path
) -> Chips:
    """Stored chips, moved onto the model's template by one fixed transform.

    A model that is aligned by a box gets the whole chip.
    """
    target = alignment_of(model)
    facts = {"pictures": pictures.digest, "names": names, "alignment": repr(target)}
    key = cache.key_of(**facts, code=cache.digest_of("align"))

    def chip(name: str) -> NDArray[np.uint8]:
        picture = align.decode(pictures.read(name))
        whole = (0.0, 0.0, float(picture.width), float(picture.height))
        face = align.Face(box=whole, landmarks=TEMPLATE + np.float32(EDGE), score=1.0)
        if isinstance(target, align.BoxAlignment):
            return align.align(picture, face, align.BoxAlignment(target.size, 0))
        return align.align(picture, face, target)

    def make(rows: Sequence[int]) -> cache.Arrays:
        return {"pixels": np.stack([chip(names[row]) for row in rows])}

    made = cache.compute_in_chunks(folder / f"aligned-{key}", len(names), "aligning", make)
    return Chips(made["pixels"], np.ones(len(names), bool), key)


def worst_group(measured: Measured) -> dict[str, Any] | None:
    """The manifest's `worst_group`: of the adults, the group with the lowest threshold."""
    found = [
        (cell.threshold, one, cell.pairs)
        for (one, other), cell in (measured.apart or measured.everyone).items()
        if one == other and one not in measured.children and cell.threshold is not None
    ]
    if not found:
        return None
    threshold, group, pairs = min(found)
    return {
        "far": measured.far,
        "threshold": int(threshold * 10_000) / 10_000,
        "group": group,
        "pairs": pairs,
        "protocol": measured.protocol,
    }


def to_markdown(measured: Measured) -> list[str]:
    """The rates within groups, the worst group's threshold, and the rates between groups."""
    lines = [
        f"| strangers within a group, threshold {measured.threshold:.4f} | faces | all pairs "
        f"| accepted | {YEARS_APART:g} years or more apart | accepted "
        f"| threshold for {measured.far:g} |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, faces in measured.faces.items():
        everyone, apart = measured.everyone[name, name], measured.apart.get((name, name))
        words = [*_cell_words(everyone), *_cell_words(apart)]
        own = (apart or everyone).threshold
        lines.append(
            f"| {name} | {faces:,} | {' | '.join(words)} | {'-' if own is None else f'{own:.4f}'} |"
        )
    worst = worst_group(measured)
    if worst:
        lines += [
            "",
            f"At threshold {worst['threshold']:.4f} the worst group of adults ({worst['group']}, "
            f"{worst['pairs']:,} pairs) meets a false-accept rate of {worst['far']:g}.",
        ]
    return [*lines, "", *_between(measured)]


def _cell_words(cell: Cell | None) -> tuple[str, str]:
    if cell is None or not cell.pairs:
        return "-", "-"
    rate = cell.rate
    return f"{cell.pairs:,}", f"{rate.value:.2g} ({rate.low:.2g} to {rate.high:.2g})"


def _between(measured: Measured) -> list[str]:
    """The rates between groups: those of the widest table that leaves out repeats."""
    cells, names = measured.apart or measured.everyone, list(measured.faces)
    lines = [f"| {' | '.join(['accepted', *names])} |", "|---" * (len(names) + 1) + "|"]
    for one in names:
        rates = [cells.get((one, other), cells.get((other, one))) for other in names]
        words = [f"{cell.rate.value:.1g}" if cell and cell.pairs else "-" for cell in rates]
        lines.append(f"| {' | '.join([one, *words])} |")
    return lines


def write(measured: Measured, out: Path) -> None:
    """groups.json and groups.png."""
    from tools.evaluate.group_chart import draw  # slow to import

    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "table": table,
            "groups": [one, other],
            "pairs": cell.pairs,
            "rate": cell.rate.value,
            "interval": [cell.rate.low, cell.rate.high],
            "threshold": cell.threshold,
        }
        for table, cells in (("all", measured.everyone), ("apart", measured.apart))
        for (one, other), cell in cells.items()
    ]
    facts = {
        "threshold": measured.threshold,
        "far": measured.far,
        "protocol": measured.protocol,
        "worst_group": worst_group(measured),
        "faces": measured.faces,
        "rates": rows,
    }
    (out / "groups.json").write_text(json.dumps(facts, indent=2) + "\n")
    draw(measured, out / "groups.png")


if __name__ == "__main__":
    main()
