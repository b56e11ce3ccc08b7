"""`python -m tools.train`: makes the bundled model from faces, teachers and published weights."""

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
from tools.train import steps
from tools.train.fit import FitSettings
from tools.train.student import StudentSettings

ROOT = Path(__file__).resolve().parents[2]
ID = BUNDLED.name
EXAMPLES = """\
steps, each of which skips what is done already:
  prepare   decode the chips, narrow the published network, ask the second teacher
  fit       train; interrupt it as you like, the same command goes on at its checkpoint
  export    fold the heads, write the LiteRT files and the parity vectors
  manifest  measure the exported files on LFW and write their manifest
  bundle    copy the int8 file and its manifest into model_layer/models
examples:
  python -m tools.train prepare fit export manifest bundle
  python -m tools.train fit --minutes 80
  python -m tools.train prepare fit --morphs 100000 \\
      --init-from model_layer/models/facenet-compact-112/int8.tflite
"""


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """All options; `--help` says what each is for."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.train",
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
        help="what is kept; one for each run, which begins anew only in an empty one",
    )
    data.add_argument("--out", type=Path, metavar="DIR", help="model folder (WORK/model)")
    data.add_argument("--id", default=ID, help=f"id of the model ({ID})")
    data.add_argument(
        "--init-from",
        type=Path,
        metavar="TFLITE|NPZ",
        help="start from a trained student instead of narrowing the published network",
    )
    data.add_argument(
        "--morphs", type=int, default=0, metavar="N", help="train on N faces made of two as well"
    )
    data.add_argument(
        "--morphs-of",
        default="",
        metavar="SOURCE,...",
        help="only those whose first face comes from these sources of chips.csv",
    )
    _add_fit_options(parser.add_argument_group("training"))
    options = parser.parse_args(words)
    if not 0 <= options.mix <= 1:
        parser.error("--mix is a share from 0 to 1")
    if options.mix < 1 and (options.init_from is None or options.init_from.suffix != ".npz"):
        parser.error("--mix needs the student.npz of another training in --init-from")
    if options.morphs_of and not options.morphs:
        parser.error("--morphs-of chooses among --morphs")
    return options


def add_sources(group: argparse._ActionsContainer) -> None:
    """Options for what is learned from and measured on."""
    group.add_argument(
        "--data", type=Path, default=SHARED / "faces" / "distill", metavar="DIR", help="chips"
    )
    group.add_argument(
        "--facenet",
        type=Path,
        default=SHARED / "models" / "facenet-20180402-114759.npz",
        metavar="NPZ",
        help="arrays of the published Inception-ResNet-v1",
    )
    group.add_argument("--lfw", type=Path, default=SHARED / "faces" / "lfw", metavar="DIR")


def _add_fit_options(group: argparse._ArgumentGroup) -> None:
    default = FitSettings()
    group.add_argument("--passes", type=int, default=default.passes, help="chips to show in all")
    group.add_argument("--minutes", type=float, default=math.inf, help="end the schedule by then")
    group.add_argument("--batch", type=int, default=default.batch)
    group.add_argument("--rate", type=float, default=default.rate, help="relative to a kernel")
    group.add_argument(
        "--mix",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="export this share of the new weights and the rest of those of --init-from (1)",
    )
    group.add_argument("--train-stem", action="store_true", help="do not freeze the first layers")
    group.add_argument("--seed", type=int, default=default.seed)
    group.add_argument("--float32", action="store_true", help="no bfloat16, even where it is fast")


def plan(options: argparse.Namespace) -> steps.Plan:
    """The options as the steps want them."""
    student = StudentSettings(freeze_stem=not options.train_stem)
    return steps.Plan(
        data=options.data,
        facenet=options.facenet,
        lfw=options.lfw,
        work=options.work,
        out=options.out or options.work / "model",
        bundle=ROOT / "model_layer" / "models" / options.id,
        id=options.id,
        init_from=options.init_from,
        bfloat16=not options.float32,
        fit=FitSettings(
            passes=options.passes,
            minutes=options.minutes,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
            student=student,
        ),
        morphs=options.morphs,
        mix=options.mix,
        morphs_of=tuple(filter(None, options.morphs_of.split(","))),
        command=tuple(whole_command(options)),
    )


def whole_command(options: argparse.Namespace) -> list[str]:
    """What makes the model from nothing with these settings, whichever step runs now."""
    settings = ["--passes", options.passes, "--batch", options.batch, "--rate", options.rate]
    words = [*steps.STEPS, *settings, "--seed", options.seed]
    if options.id != ID:
        words += ["--id", options.id]
    if options.morphs:
        words += ["--morphs", options.morphs]
    if options.morphs_of:
        words += ["--morphs-of", options.morphs_of]
    if options.init_from is not None:
        words += ["--init-from", options.init_from]
    if options.mix < 1:
        words += ["--mix", options.mix]
    if options.minutes < math.inf:
        words += ["--minutes", options.minutes]
    words += [
        f"--{name}"
        for name in ("train-stem", "float32")
        if getattr(options, name.replace("-", "_"))
    ]
    return ["python", "-m", "tools.train", *map(str, words)]


def main(words: Sequence[str] | None = None) -> None:
    """Run the steps that were named, in their own order."""
    options = parse_arguments(words)
    wanted = plan(options)
    for name, step in steps.STEPS.items():
        if name in options.steps:
            step(wanted)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted; the same command goes on at the checkpoint") from None
