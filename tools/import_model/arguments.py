"""The options of the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.pack_images import at_least

EXAMPLES = """\
examples:
  python -m tools.import_model facenet --out models/facenet
  python -m tools.import_model 20180402-114759.pb --out models/20180402-114759
  python -m tools.import_model s3://my-models/20180402-114759/ --out models/20180402-114759
  FACENET_MODEL=models/20180402-114759 make run
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """All options; `--help` says what each is for."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.import_model",
        description="Turn a trained FaceNet into a model folder that this project serves.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # the manifest quotes the command, and knows paths by their option
    )
    parser.add_argument(
        "source",
        help="facenet (VGGFace2, 20180402-114759) or facenet-20180408 (CASIA-WebFace) to fetch the "
        "published weights; or your own: frozen .pb, folder with .meta and .ckpt-*, SavedModel "
        "folder, Keras .h5, PyTorch .pt (state dictionary), .npz of named arrays, ONNX, OpenVINO "
        ".xml with its .bin, or a .zip of one of them; a path, "
        "s3://bucket/key (a trailing / for all under it) or https://",
    )
    parser.add_argument(
        "--offline",
        type=Path,
        metavar="FILE",
        help="with a published name: use this copy of its file, and download nothing",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="model folder")
    _add_model_options(parser.add_argument_group("the model"))
    _add_graph_options(parser.add_argument_group("the graph"))
    more = parser.add_argument_group("checks")
    more.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        help="pictures with faces to check the files on (default: those in events/pictures)",
    )
    more.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="pictures with faces, some hundred: int8 with static ranges is tried as well, and "
        "served where it is as good and faster",
    )
    more.add_argument("--pairs", type=Path, metavar="CSV", help="calibrate on these labelled pairs")
    more.add_argument("--images", type=Path, metavar="ZIP|DIR", help="the pictures of --pairs")
    more.add_argument(
        "--max-bytes", type=int, default=2 << 30, help="largest download (default 2 GiB)"
    )
    return parser.parse_args(arguments)


def _add_model_options(group: Any) -> None:
    group.add_argument("--id", help="name of the model (default: from the source)")
    group.add_argument("--licence", help="licence of the weights (default: known, or 'unknown')")
    group.add_argument("--origin", help="who trained the weights, on which data: for the manifest")
    group.add_argument("--standardization", choices=["fixed", "prewhiten"], help="default: fixed")
    group.add_argument(
        "--alignment", choices=["box", "similarity"], help="default: known, box for FaceNet"
    )
    group.add_argument(
        "--template",
        type=_template,
        metavar="'X,Y X,Y X,Y X,Y X,Y'",
        help="where --alignment similarity puts eyes, nose and mouth corners, in pixels of a chip",
    )
    group.add_argument(
        "--margin", type=at_least(0), help="of the box, in picture pixels (default: 32)"
    )
    group.add_argument(
        "--size", type=at_least(1), help="side of a chip (default: the graph's, or 160)"
    )
    group.add_argument("--colour-order", choices=["RGB", "BGR"], help="default: known, or RGB")
    group.add_argument(
        "--mean", type=float, help="ONNX and OpenVINO: subtracted from pixels 0..255"
    )
    group.add_argument("--scale", type=float, help="and what the difference is multiplied by")


def _add_graph_options(group: Any) -> None:
    group.add_argument("--input-tensor", type=_tensor, default="input:0", metavar="NAME")
    group.add_argument("--phase-tensor", type=_tensor, default="phase_train:0", metavar="NAME")
    group.add_argument("--output-tensor", type=_tensor, default="embeddings:0", metavar="NAME")
    group.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="give another placeholder a constant value (JSON), e.g. keep_probability:0=1.0",
    )
    group.add_argument(
        "--no-frozen-graph",
        action="store_true",
        help="leave out the .pb that FACENET_ENGINE=tensorflow runs",
    )


def _template(text: str) -> tuple[tuple[float, float], ...]:
    """Five points. argparse says what is wrong of anything else."""
    points = [tuple(float(number) for number in point.split(",")) for point in text.split()]
    if len(points) != 5 or any(len(point) != 2 for point in points):
        raise argparse.ArgumentTypeError(f"{text!r} is not five points X,Y")
    return tuple((x, y) for x, y in points)


def _tensor(name: str) -> str:
    """A tensor's name; of an operation's name, its first output."""
    return name if ":" in name else f"{name}:0"
