"""`python -m tools.evaluate`: measures a model on pairs of pictures, through the product's path."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import model_layer
from align import DetectorProfile
from model_layer import EngineName, Precision, Standardization, files
from tools.needs import packages_of
from tools.pack_images import at_least
from tools.shared import SHARED

with packages_of("evaluate"):
    from tools.evaluate import charts, measurement, report
    from tools.evaluate.dataset import Pairs, open_pictures, read_pairs, require_measurable
    from tools.evaluate.embedding import (
        EmbedOptions,
        FaceChoice,
        alignment_of,
        make_chips,
        make_embeddings,
    )
    from tools.evaluate.people import identify
    from tools.evaluate.protocol import Floats
    from tools.evaluate.strangers import Strangers

LFW = SHARED / "faces" / "lfw"
LFW_PAIRS = LFW / "pairs.csv"
BUNDLED = files.BUNDLED.name
EXAMPLE = "python -m tools.evaluate --pairs pairs.csv --images images.zip --out out/mine"


def parse_arguments(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate",
        description="Measure a model on labelled pairs of pictures: decode, detect, select, align, "
        "embed, compare. The labelled pairs of one person give the accept rates, all pairs of "
        "strangers among the pictures the false-accept rates. Who is on a picture: the columns "
        "person_a and person_b of the CSV, else the folder of a picture, else its name without the "
        "number (Name_0001.jpg). Interrupt it as you like: the same command goes on where it "
        "stopped.",
    )
    data = parser.add_argument_group("data")
    data.add_argument("--pairs", type=Path, default=LFW_PAIRS, metavar="CSV")
    data.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    data.add_argument("--folds", type=int, nargs="+", help="only these folds")
    data.add_argument("--name", help="what to call the pairs in the report (the CSV's name)")
    data.add_argument(
        "--default-far",
        type=float,
        default=report.DEFAULT_FAR,
        metavar="RATE",
        help="whose threshold a manifest takes by default (1e-3)",
    )
    data.add_argument("--out", type=Path, default=Path("out/evaluate"), metavar="DIR")
    data.add_argument("--cache", type=Path, metavar="DIR", help="kept work (OUT/cache)")
    model = parser.add_argument_group("model")
    model.add_argument("--model", default=BUNDLED, help=f"id or folder ({BUNDLED})")
    model.add_argument("--engine", choices=get_args(EngineName), default="litert")
    model.add_argument("--precision", choices=get_args(Precision))
    model.add_argument("--threads", type=at_least(1), default=1, help="of the model (1)")
    model.add_argument("--flip", action="store_true", help="mean of each chip and its mirror image")
    model.add_argument("--subtract-mean", action="store_true", help="mean of the other folds")
    model.add_argument("--standardization", choices=get_args(Standardization))
    faces = parser.add_argument_group("faces")
    faces.add_argument("--detector", choices=get_args(DetectorProfile), default="fast")
    faces.add_argument("--jobs", type=at_least(1), default=1, help="detectors side by side (1)")
    faces.add_argument("--face", choices=["central", "largest"], default="central")
    faces.add_argument(
        "--margin", type=at_least(0), help="margin of a box-aligned model, in picture pixels"
    )
    return parser.parse_args(arguments)


def check_inputs(options: Any) -> None:
    for path in (options.pairs, options.images):
        if not path.exists():
            raise SystemExit(
                f"{path} does not exist; name your own pairs and pictures:\n  {EXAMPLE}"
            )


@contextmanager
def exit_with_message() -> Iterator[None]:
    """Around a measurement: exits with a message if it is interrupted or has no model."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted; run the same command again to continue") from None
    except OSError as exc:
        raise SystemExit(str(exc)) from exc
    except model_layer.ModelUnavailable as exc:
        raise SystemExit(
            f"{exc}\nPick a bundled model or make one with tools.import_model"
        ) from exc


def facts_of(options: Any, model: model_layer.Model, choice: FaceChoice) -> dict[str, Any]:
    margin = getattr(choice.alignment, "margin", None)
    standardization = options.standardization or model.manifest.input.standardization
    weights = model.manifest.files.items()
    precision = next(kind for kind, file in weights if file.sha256 == model.sha256)
    return {
        "model": model.id,
        "dataset": options.name or ("LFW" if options.pairs == LFW_PAIRS else options.pairs.stem),
        "weights": f"{precision}, sha256 {model.sha256}",
        "engine": options.engine,
        "detector": options.detector,
        "face": options.face,
        "alignment": f"{model.manifest.alignment.__class__.__name__}, {choice.alignment.size} px"
        + ("" if margin is None else f", margin {margin}"),
        "standardization": standardization,
        "flip": options.flip,
        "subtract mean": options.subtract_mean,
    }


@dataclass(frozen=True)
class Measurement:
    """The report, and what its pictures are drawn from: each labelled pair's held-out distance."""

    report: measurement.Report
    distances: Floats
    pairs: Pairs
    strangers: Strangers


def evaluate(options: Any) -> Measurement:
    """Runs the whole measurement."""
    pairs = read_pairs(options.pairs, set(options.folds) if options.folds else None)
    require_measurable(pairs)
    model = model_layer.load(
        options.model,
        engine=options.engine,
        precision=options.precision,
        threads=options.threads,
    )
    if options.subtract_mean and model.manifest.embedding.mean:
        raise SystemExit(
            f"{model.id} subtracts the mean of its manifest: no --subtract-mean on top"
        )
    choice = FaceChoice(options.detector, options.face, alignment_of(model, options.margin))
    cache_folder = options.cache or options.out / "cache"
    pictures = open_pictures(options.images)
    chips = make_chips(pictures, pairs.names, choice, cache_folder, options.jobs)
    embed_options = EmbedOptions(flip=options.flip, standardization=options.standardization)
    vectors = make_embeddings(model, chips, embed_options, cache_folder)
    distances = measurement.pair_distances(
        vectors, pairs.left, pairs.right, pairs.folds, subtract_mean=options.subtract_mean
    )
    mean = measurement.mean_of(vectors, pairs.left, pairs.right) if options.subtract_mean else None
    pooled = measurement.select_own_fold(distances, pairs.folds)
    people = identify(pairs)
    strangers = measurement.strangers_of(vectors, pooled, pairs, people, mean)
    measured = measurement.measure(
        distances,
        pairs,
        people,
        strangers,
        facts=facts_of(options, model, choice),
        found=chips.found,
        mean=mean,
    )
    return Measurement(measured, pooled, pairs, strangers)


def write(measured: Measurement, out: Path, default_far: float) -> None:
    """Writes report.json, report.md and four pictures into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    document = report.to_json(measured.report, default_far)
    (out / "report.json").write_text(json.dumps(document, indent=2) + "\n")
    (out / "report.md").write_text(report.to_markdown(measured.report))
    charts.draw_all(
        measured.report, measured.distances, measured.pairs.same, measured.strangers, out
    )


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    check_inputs(options)
    with exit_with_message():
        measured = evaluate(options)
        write(measured, options.out, options.default_far)
    print(report.to_markdown(measured.report))
    print(f"written: {options.out}/report.md, report.json and four pictures")


if __name__ == "__main__":
    main()
