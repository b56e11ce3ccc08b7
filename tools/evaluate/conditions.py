"""`python -m tools.evaluate.conditions`: what a model loses where pictures are worse.

One picture of each pair is made worse (smaller, blurred, darker, tilted, with a drawn mask) and
goes the product's own way once more; the other stays as it is. The threshold is the model's
default, as in use. Then the untouched pairs, by how far the more turned of the two faces is turned.
Prints a table in Markdown. Interrupt it as you like: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import align
import model_layer
from align.alignment import TEMPLATE, similarity_transform
from align.quality import estimate_pose
from tools.evaluate import protocol, report
from tools.evaluate.__main__ import BUNDLED, LFW, check_inputs, failing_in_words
from tools.evaluate.cache import digest_of
from tools.evaluate.dataset import Pairs, Pictures, open_pictures, read_pairs, require_measurable
from tools.evaluate.embedding import (
    Chips,
    EmbedOptions,
    FaceChoice,
    alignment_of,
    face_of,
    make_chips,
    make_embeddings,
)
from tools.evaluate.protocol import Bools, Floats

Pixels = npt.NDArray[np.uint8]
Worsen = Callable[[Pixels, align.Face], Pixels]  # uint8[H,W,3] RGB -> the same, any size
YAW_EDGES = (0.0, 15.0, 30.0, 90.0)  # degrees
# In the coordinates of the 112x112 alignment template. The mask covers from the bridge of the nose
# to below the chin and from cheek to cheek.
MASK = ((14, 66), (56, 60), (98, 66), (94, 100), (76, 126), (36, 126), (18, 100))
MASK_COLOUR = (150, 180, 205)
LENS = (17, 13)  # half the width and height of a dark lens over each eye
LENS_COLOUR = (15, 15, 18)
SHUTTER_SEED = 3


def shrunk_to(width: float) -> Worsen:
    """The picture at the scale at which the face's box is `width` pixels wide, if that is less."""

    def shrink(pixels: Pixels, face: align.Face) -> Pixels:
        factor = min(width / face.width, 1.0)
        size = [max(round(side * factor), 1) for side in pixels.shape[1::-1]]
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

    return shrink


def blurred(pixels: Pixels, face: align.Face) -> Pixels:
    """Gaussian, a twentieth of the face's width."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), face.width / 20), np.uint8)


def compressed(pixels: Pixels, _: align.Face) -> Pixels:
    """JPEG of quality 10."""
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def darkened(pixels: Pixels, _: align.Face) -> Pixels:
    """A tenth of the light (sRGB's gamma taken as 2.2), with noise of 6 grey levels."""
    noise = np.random.default_rng(SHUTTER_SEED).normal(0, 6, pixels.shape)
    return np.asarray(np.clip(pixels * 0.1 ** (1 / 2.2) + noise, 0, 255), np.uint8)


def without_colour(pixels: Pixels, _: align.Face) -> Pixels:
    """Luma in all three channels."""
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2).astype(np.uint8)


def tilted(pixels: Pixels, face: align.Face) -> Pixels:
    """Turned by 30 degrees about the face."""
    left, top, right, bottom = face.box
    matrix = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), 30, 1)
    return np.asarray(cv2.warpAffine(pixels, matrix, pixels.shape[1::-1]), np.uint8)


def masked(pixels: Pixels, face: align.Face) -> Pixels:
    """Nose, mouth and chin behind one pale blue surface."""
    out = pixels.copy()
    corners = from_template(np.array(MASK, np.float64), face)
    cv2.fillConvexPoly(out, np.rint(corners).astype(np.int32), MASK_COLOUR, cv2.LINE_AA)
    return out


def in_sunglasses(pixels: Pixels, face: align.Face) -> Pixels:
    """A dark ellipse over each eye."""
    out = pixels.copy()
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.column_stack([np.cos(around), np.sin(around)]) * LENS
    for eye in TEMPLATE[:2]:
        corners = from_template(outline + eye, face)
        cv2.fillConvexPoly(out, np.rint(corners).astype(np.int32), LENS_COLOUR, cv2.LINE_AA)
    return out


def from_template(points: npt.NDArray[np.float64], face: align.Face) -> npt.NDArray[np.float64]:
    """Where points of the alignment template, float64[K,2], lie in the picture of a face."""
    matrix = similarity_transform(TEMPLATE, face.landmarks)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


CONDITIONS: Mapping[str, Worsen] = {
    "face 40 pixels wide": shrunk_to(40),
    "face 24 pixels wide": shrunk_to(24),
    "blurred by a twentieth of the face": blurred,
    "JPEG of quality 10": compressed,
    "a tenth of the light, noise": darkened,
    "no colour": without_colour,
    "tilted by 30 degrees": tilted,
    "drawn mask over nose and mouth": masked,
    "drawn sunglasses": in_sunglasses,
}


def find_faces(pictures: Pictures, names: Sequence[str], choice: FaceChoice) -> list[align.Face]:
    """The face of each picture, as `make_chips` chooses it."""
    detector = align.Detector.load(choice.detector, threads=1)
    return [face_of(pictures, name, detector, choice)[1] for name in names]


def worsened(pictures: Pictures, faces: Mapping[str, align.Face], condition: str) -> Pictures:
    """The same pictures under a condition, as PNG files."""

    def read(name: str) -> bytes:
        pixels = CONDITIONS[condition](align.decode(pictures.read(name)).pixels, faces[name])
        return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])

    return Pictures(read, f"{pictures.digest}, {condition}, {digest_of('tools/evaluate')}")


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


def main(words: Sequence[str] | None = None) -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.conditions", description=__doc__
    )
    parser.add_argument("--model", default=BUNDLED, help="id or folder")
    parser.add_argument("--pairs", type=Path, default=LFW / "pairs.csv", metavar="CSV")
    parser.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    parser.add_argument("--cache", type=Path, default=Path("out/conditions"), metavar="DIR")
    options = parser.parse_args(words)
    check_inputs(options)
    with failing_in_words():
        for line in measure(options.model, options.pairs, options.images, options.cache):
            print(line, flush=True)


def measure(model_name: str, pairs_file: Path, images: Path, cache: Path) -> Iterator[str]:
    """Lines of Markdown as they come: both tables, an empty line between."""
    pairs = read_pairs(pairs_file)
    require_measurable(pairs)
    pictures = open_pictures(images)
    model = model_layer.load(model_name)
    choice = FaceChoice("fast", "central", alignment_of(model))
    threshold = model.manifest.threshold
    faces = find_faces(pictures, pairs.names, choice)
    by_name = dict(zip(pairs.names, faces, strict=True))

    def embed(source: Pictures) -> tuple[Chips, npt.NDArray[np.float32]]:
        chips = make_chips(source, pairs.names, choice, cache)
        return chips, make_embeddings(model, chips, EmbedOptions(), cache)

    _, plain = embed(pictures)
    yield "| one picture of the pair | no face found | accuracy | same refused | others accepted |"
    yield "|---|---|---|---|---|"
    worse = {name: worsened(pictures, by_name, name) for name in CONDITIONS}
    for label, source in {"as it is": pictures, **worse}.items():
        chips, vectors = embed(source)
        distances = pair_distances(plain, vectors, pairs)
        yield row(label, distances, pairs, chips.found[pairs.right], threshold)
    yield from ("", "| turned by | same | refused | others | accepted |", "|---|---|---|---|---|")
    yield from turned_rows(pair_distances(plain, plain, pairs), pairs, faces, threshold)


def pair_distances(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], pairs: Pairs
) -> Floats:
    """L2 distances float64[P] between the left pictures' and the right pictures' embeddings."""
    both = np.concatenate([left, right])
    return report.pair_distances(
        both, pairs.left, pairs.right + len(left), pairs.folds, subtract_mean=False
    )


if __name__ == "__main__":
    main()
