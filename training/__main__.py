"""`python -m training`: makes the bundled model from faces and the published network."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path

# Read by TensorFlow when it is imported, below.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from model_layer.files import BUNDLED
from tools.shared import SHARED
from training import steps
from training.fit import FitSettings
from training.weights import MODEL

ROOT = Path(__file__).resolve().parents[1]
ID = BUNDLED.name
EXAMPLES = """\
steps, each of which skips what is done already:
  prepare   decode the chips, equalize the published network
  fit       train; after an interruption the same command continues at the checkpoint
  export    write the LiteRT files and the parity vectors
  manifest  measure the exported files on LFW and write their manifest
  bundle    copy the int8 file and its manifest into model_layer/models
examples:
  python -m training prepare fit export manifest bundle --minutes 72
  python -m training export --mix 0.7
"""


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """All options; `--help` says what each is for."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train the compact model that is bundled with this project.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="+", choices=list(steps.STEPS), metavar="STEP")
    data = parser.add_argument_group("data")
    add_sources(data)
    data.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "train",
        metavar="DIR",
        help="kept files; use a new one for each run",
    )
    data.add_argument("--out", type=Path, metavar="DIR", help="model folder (WORK/model)")
    data.add_argument("--id", default=ID, help=f"id of the model ({ID})")
    _add_fit_options(parser.add_argument_group("training"))
    options = parser.parse_args(words)
    if not 0 <= options.mix <= 1:
        parser.error("--mix is a share from 0 to 1")
    return options


def add_sources(group: argparse._ActionsContainer) -> None:
    """Options for what is learned from and measured on."""
    group.add_argument(
        "--data", type=Path, default=SHARED / "faces" / "distill", metavar="DIR", help="chips"
    )
    group.add_argument(
        "--published",
        type=Path,
        default=SHARED / "models" / MODEL,
        metavar="DIR",
        help=f"folder of {MODEL}.xml and .bin",
    )
    group.add_argument("--lfw", type=Path, default=SHARED / "faces" / "lfw", metavar="DIR")


def _add_fit_options(group: argparse._ArgumentGroup) -> None:
    default = FitSettings()
    group.add_argument("--passes", type=int, default=default.passes, help="chips to show in all")
    group.add_argument("--minutes", type=float, default=math.inf, help="end the schedule by then")
    group.add_argument("--batch", type=int, default=default.batch)
    group.add_argument("--rate", type=float, default=default.rate, help="relative to a kernel")
    group.add_argument("--seed", type=int, default=default.seed)
    group.add_argument(
        "--mix",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="export this share of the trained weights and the rest of the published ones (1)",
    )


def plan(options: argparse.Namespace) -> steps.Plan:
    """The options as the steps want them."""
    return steps.Plan(
        data=options.data,
        published=options.published,
        lfw=options.lfw,
        work=options.work,
        out=options.out or options.work / "model",
        bundle=ROOT / "model_layer" / "models" / options.id,
        id=options.id,
        fit=FitSettings(
            passes=options.passes,
            minutes=options.minutes,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
        ),
        mix=options.mix,
        command=tuple(whole_command(options)),
    )


def whole_command(options: argparse.Namespace) -> list[str]:
    """What makes the model from nothing with these settings, whichever step runs now."""
    settings = ["--passes", options.passes, "--batch", options.batch, "--rate", options.rate]
    words = [*steps.STEPS, *settings, "--seed", options.seed]
    if options.id != ID:
        words += ["--id", options.id]
    if options.mix < 1:
        words += ["--mix", options.mix]
    if options.minutes < math.inf:
        words += ["--minutes", options.minutes]
    return ["python", "-m", "training", *map(str, words)]


def main(words: Sequence[str] | None = None) -> None:
    """Run the named steps in their order."""
    options = parse_arguments(words)
    wanted = plan(options)
    for name, step in steps.STEPS.items():
        if name in options.steps:
            step(wanted)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted; the same command continues at the checkpoint") from None
