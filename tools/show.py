"""Draws a comparison: boxes, landmarks, aligned faces, distance, verdict.

python -m tools.show A.jpg B.jpg -o out.png
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import align
import model_layer
from tools import pack_images
from tools.needs import packages_of

with packages_of("show"):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import patches, pyplot
    from matplotlib.colors import LinearSegmentedColormap

    from tools.evaluate.embedding import alignment_of

SAME_COLOUR = "#1b6ca8"
OTHER_COLOUR = "#c2570c"
INK = "#1f2933"
QUIET = "#616e7c"
PAPER = "#fbfcfd"
PROBABILITY_COLOURS = LinearSegmentedColormap.from_list(
    "probability", [OTHER_COLOUR, "#f3d9b8", "#e8edf2", "#b9d6ea", SAME_COLOUR]
)
FURTHEST = 1.6


@dataclass(frozen=True)
class View:
    """One picture with all its faces, and the chip of the face that was compared."""

    name: str
    picture: align.Picture
    faces: Sequence[align.Face]
    chosen: int
    chip: NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """What is drawn: two views, their distance, and the model's decision."""

    left: View
    right: View
    distance: float
    threshold: float
    manifest: model_layer.Manifest

    @property
    def same(self) -> bool:
        return self.distance <= self.threshold

    @property
    def similarity(self) -> float | None:
        return self.manifest.similarity(self.distance)


def find_and_align(
    path: Path, detector: align.Detector, rule: align.FaceRule, alignment: align.BoxAlignment | Any
) -> View:
    """Finds and aligns the face of a picture. Exits naming the picture where there is none."""
    picture = pack_images.read_picture(path)
    faces = detector.detect(picture)
    chosen = align.select(faces, rule, picture.width, picture.height)
    if not chosen:
        raise SystemExit(f"{path}: no face found; --detector exact finds smaller faces")
    chip = align.align(picture, faces[chosen[0]], alignment)
    return View(path.name, picture, faces, chosen[0], chip)


def compare(paths: Sequence[Path], model: model_layer.Model, options: Any) -> Comparison:
    detector = align.Detector.load(options.detector)
    left, right = (
        find_and_align(path, detector, options.face, alignment_of(model)) for path in paths
    )
    vectors = model.embed(np.stack([left.chip, right.chip]))
    distance = float(model_layer.distances(vectors[:1], vectors[1:])[0, 0])
    threshold = model.manifest.threshold if options.threshold is None else options.threshold
    return Comparison(left, right, distance, threshold, model.manifest)


def draw(comparison: Comparison) -> Any:
    """The card as a matplotlib figure."""
    figure = pyplot.figure(figsize=(9.6, 6.0), dpi=110, facecolor=PAPER)
    draw_headline(figure, comparison)
    draw_picture(figure.add_axes((0.03, 0.27, 0.31, 0.56)), comparison.left, comparison.same)
    draw_picture(figure.add_axes((0.66, 0.27, 0.31, 0.56)), comparison.right, comparison.same)
    draw_chip(figure.add_axes((0.37, 0.43, 0.125, 0.24)), comparison.left)
    draw_chip(figure.add_axes((0.505, 0.43, 0.125, 0.24)), comparison.right)
    draw_between(figure, comparison)
    draw_scale(figure.add_axes((0.06, 0.12, 0.88, 0.045)), comparison)
    return figure


def draw_headline(figure: Any, comparison: Comparison) -> None:
    verdict = "The same person" if comparison.same else "Different people"
    colour = colour_of(comparison.same)
    figure.text(0.03, 0.93, verdict, fontsize=23, fontweight="bold", color=colour, va="center")
    figure.text(
        0.97,
        0.93,
        f"model {comparison.manifest.id}",
        fontsize=9,
        color=QUIET,
        va="center",
        ha="right",
    )


def draw_between(figure: Any, comparison: Comparison) -> None:
    figure.text(
        0.5, 0.74, describe_similarity(comparison.similarity), ha="center", fontsize=11, color=INK
    )
    figure.text(
        0.5,
        0.36,
        f"distance {comparison.distance:.3f}",
        ha="center",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )


def describe_similarity(similarity: float | None) -> str:
    """The probability that both are one person; never a certainty."""
    if similarity is None:
        return "no calibration: a distance, no probability"
    if similarity > 0.999:
        return "over 99.9% sure: one person"
    if similarity < 0.001:
        return "over 99.9% sure: two people"
    if similarity >= 0.5:
        return f"{similarity:.1%} sure: one person"
    return f"{1 - similarity:.1%} sure: two people"


def draw_picture(axes: Any, view: View, same: bool) -> None:
    axes.imshow(
        view.picture.pixels, extent=(0, view.picture.width, view.picture.height, 0), aspect="equal"
    )
    for index, face in enumerate(view.faces):
        draw_face(axes, face, colour_of(same) if index == view.chosen else QUIET)
    axes.set_title(view.name, fontsize=9, color=QUIET, pad=6, parse_math=False)
    # Boxes may reach beyond the picture; the view stays on it.
    axes.set(xlim=(0, view.picture.width), ylim=(view.picture.height, 0), xticks=[], yticks=[])
    soften_frame(axes)


def draw_face(axes: Any, face: align.Face, colour: str) -> None:
    left, top, right, bottom = face.box
    for edge, width in (("white", 3.4), (colour, 1.8)):
        axes.add_patch(
            patches.Rectangle(
                (left, top), right - left, bottom - top, fill=False, ec=edge, lw=width
            )
        )
    axes.scatter(
        face.landmarks[:, 0], face.landmarks[:, 1], s=14, c=colour, ec="white", lw=0.8, zorder=3
    )


def draw_chip(axes: Any, view: View) -> None:
    axes.imshow(view.chip)
    axes.set(xticks=[], yticks=[])
    soften_frame(axes)


def _or_even(similarity: float | None) -> float:
    return 0.5 if similarity is None else similarity


def draw_scale(axes: Any, comparison: Comparison) -> None:
    """Distance from 0 on, coloured by probability, with the thresholds and this distance."""
    end = max(FURTHEST, comparison.distance + 0.1, comparison.threshold + 0.1)
    steps = np.linspace(0, end, 400)
    # Without calibration, all in the colour of even odds.
    shades = [[_or_even(comparison.manifest.similarity(float(step))) for step in steps]]
    axes.imshow(
        shades, aspect="auto", extent=(0, end, 0, 1), cmap=PROBABILITY_COLOURS, vmin=0, vmax=1
    )
    axes.axvline(comparison.threshold, color=INK, lw=1.6)
    axes.annotate(
        f"threshold {comparison.threshold:.2f}",
        (comparison.threshold, 0),
        xytext=(0, -22),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
        color=INK,
        fontweight="bold",
    )
    axes.plot(
        [comparison.distance], [1.35], "v", color=colour_of(comparison.same), ms=13, clip_on=False
    )
    axes.text(0, 1.35, "near", fontsize=9, color=QUIET)
    axes.text(end, 1.35, "far", fontsize=9, color=QUIET, ha="right")
    axes.set(xlim=(0, end), ylim=(0, 1), yticks=[])
    axes.tick_params(length=0, labelsize=8, labelcolor=QUIET)
    soften_frame(axes)


def soften_frame(axes: Any) -> None:
    for spine in axes.spines.values():
        spine.set(color="#cbd2d9", linewidth=0.8)


def colour_of(same: bool) -> str:
    return SAME_COLOUR if same else OTHER_COLOUR


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tools.show", description="Draw what the service sees in two pictures."
    )
    parser.add_argument("pictures", type=Path, nargs=2, metavar="PICTURE")
    parser.add_argument("-o", "--out", type=Path, default=Path("out.png"))
    parser.add_argument("--model", help="id or folder (the service's default)")
    parser.add_argument("--detector", choices=["fast", "exact"], default="fast")
    parser.add_argument("--face", choices=["largest", "central"], default="largest")
    parser.add_argument("--threshold", type=float, help="distance (the model's own default)")
    return parser.parse_args(arguments)


def default_model() -> str:
    """The model that the service would load: FACENET_MODEL, or the bundled one."""
    bundled = model_layer.bundled_models()
    named = os.environ.get("FACENET_MODEL", "")
    if not named and not bundled:
        raise SystemExit("no bundled model here; name a model folder with --model")
    return named or bundled[0]


def check_output(path: Path) -> None:
    """Exits before any work where the card could not be written."""
    known = pyplot.gcf().canvas.get_supported_filetypes()
    pyplot.close()
    if path.suffix[1:].lower() not in known:
        raise SystemExit(f"{path}: cannot draw this kind of file; name a .png, .svg or .pdf")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    check_output(options.out)
    try:
        model = model_layer.load(options.model or default_model())
    except model_layer.ModelUnavailable as exc:
        raise SystemExit(f"{exc}; name another with --model") from exc
    comparison = compare(options.pictures, model, options)
    figure = draw(comparison)
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.out)
    except OSError as exc:
        raise SystemExit(f"{options.out}: {exc.strerror}") from exc
    pyplot.close(figure)
    verdict = "same" if comparison.same else "different"
    print(f"{options.out}: {verdict}, distance {comparison.distance:.4f}")


if __name__ == "__main__":
    main()
