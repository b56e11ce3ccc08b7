"""`python -m tools.evaluate.calibrate MODEL`: measures what a manifest says of decisions.

- thresholds and calibration: all pairs of strangers and the labelled pairs (as `tools.evaluate`),
- worst_group: the threshold at which the worst adult group meets the default rate (as
  `tools.evaluate.groups`),
- refusal: which faces the model cannot tell apart (worn pictures, as `tools.evaluate.conditions`).

Each is written into MODEL/manifest.json in one step; `--only` chooses. You can interrupt it: the
same command continues where it stopped. A manifest of format 1 is brought to the present format
first.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import model_layer
from model_layer.files import find_model
from model_layer.manifest import FORMAT, MANIFEST_NAME, Manifest
from tools.evaluate import conditions, crowding, groups, report
from tools.evaluate.__main__ import (
    BUNDLED,
    LFW,
    check_inputs,
    evaluate,
    exit_with_message,
    parse_arguments,
    write,
)

STEPS = ("thresholds", "groups", "refusal")
Content = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Measures, and writes the manifest after each step."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", default=BUNDLED, help=f"id or folder ({BUNDLED})")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--default-far", type=float, metavar="RATE", help="default: the manifest's")
    parser.add_argument("--pairs", type=Path, default=LFW / "pairs.csv", metavar="CSV")
    parser.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    parser.add_argument("--name", help="what to call the pairs")
    groups.add_sources(parser)
    parser.add_argument("--out", type=Path, default=Path("out/calibrate"), metavar="DIR")
    options = parser.parse_args(words)
    check_inputs(options)
    with exit_with_message():
        folder = find_model(options.model)
        upgrade_manifest(folder)
        for step in (each for each in STEPS if each in options.only):
            fields = MEASURES[step](folder, options)
            save(folder, fields)
            print(f"{folder / MANIFEST_NAME}: {', '.join(fields)} written")


def upgrade_manifest(folder: Path) -> None:
    """Brings a manifest of format 1 to the present one: with its threshold, but no rate for it."""
    content = json.loads((folder / MANIFEST_NAME).read_text())
    if content.get("format") != 1:
        return
    threshold = content["thresholds"]["default"]["distance"]
    changed = {
        "format": FORMAT,
        "thresholds": {"default_far": None, "default_threshold": threshold},
        "calibration": None,
    }
    write_manifest(folder, {**content, **changed})


def save(folder: Path, fields: Mapping[str, Any]) -> None:
    """Replaces fields of the manifest; one that would not load leaves it as it was."""
    content = json.loads((folder / MANIFEST_NAME).read_text())
    write_manifest(folder, {**content, **fields})


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Replaces the manifest in one step. Raises msgspec.DecodeError for one that would not load."""
    text = json.dumps(content, indent=2) + "\n"
    msgspec.json.decode(text, type=Manifest)
    partial = folder / f".{MANIFEST_NAME}"
    partial.write_text(text)
    partial.replace(folder / MANIFEST_NAME)


def measure_thresholds(folder: Path, options: Any) -> Content:
    """The manifest's `thresholds` and `calibration`; the worst group stays until it is measured."""
    own = default_far(folder, options)
    places = {"--model": folder, "--pairs": options.pairs, "--images": options.images}
    places |= {"--out": options.out / "report", "--cache": options.out / "cache"}
    words = [str(word) for place in places.items() for word in place]
    words += ["--name", options.name] if options.name else []
    measured = evaluate(parse_arguments(words))
    write(measured, options.out / "report", own)
    print(report.to_markdown(measured.report))
    return report.manifest_fields(measured.report, own)


def default_far(folder: Path, options: Any) -> float:
    """The rate asked for, else the manifest's, else the usual one."""
    known = model_layer.read_manifest(folder).far
    return options.default_far or known or report.DEFAULT_FAR


def measure_groups(folder: Path, options: Any) -> Content:
    """`thresholds` again, with its worst group."""
    manifest = model_layer.read_manifest(folder)
    if manifest.far is None:
        raise SystemExit("the worst group needs a default rate: measure thresholds first")
    measured = groups.measure(model_layer.load(folder), options.groups, options.chips, options.out)
    print("\n".join(groups.to_markdown(measured)))
    thresholds = json.loads((folder / MANIFEST_NAME).read_text())["thresholds"]
    return {"thresholds": thresholds | {"worst_group": groups.worst_group(measured)}}


def measure_refusal(folder: Path, options: Any) -> Content:
    """`refusal`, from the untouched pictures and those of every condition."""
    model = model_layer.load(folder)
    material = conditions.prepare(model, options.pairs, options.images, options.out / "cache")
    if not material.people.complete:
        raise SystemExit("the refusal needs to know who is on each picture; see tools.evaluate")
    sets = {
        label: crowding.Set(worn.vectors, worn.norms, material.people.index).chosen(worn.found)
        for label, worn in material.worn.items()
    }
    untouched = sets.pop(conditions.UNTOUCHED)
    protocol = (
        f"{options.name or options.pairs.stem}, {len(untouched.people):,} pictures of "
        f"{material.people.count:,} people, {len(sets)} conditions, people not seen by the fit"
    )
    return {"refusal": crowding.measure(untouched, sets, model.manifest.threshold, protocol)}


MEASURES: Mapping[str, Callable[[Path, Any], Content]] = {
    "thresholds": measure_thresholds,
    "groups": measure_groups,
    "refusal": measure_refusal,
}


if __name__ == "__main__":
    main()
