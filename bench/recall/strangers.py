"""How often two strangers count as one person, upright and with their orientation lost."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

import align
import model_layer
from bench.recall.conditions import Condition, Sample


@cache
def load_bundled() -> model_layer.Model:
    """The model that the function serves by default."""
    return model_layer.load(model_layer.bundled_models()[0])


def embed(samples: Sequence[Sample], condition: Condition) -> NDArray[np.float32]:
    """The central face of each picture, float32[N,D]; NaN where there is none."""
    model = load_bundled()
    detector, own = align.Detector.load("fast"), model.manifest.alignment
    target = align.alignment_for(own.size, own.margin, own.template)
    vectors = np.full((len(samples), model.dimension), np.nan, np.float32)
    for index, sample in enumerate(map(condition, samples)):
        picture = align.Picture.of(sample.pixels)
        faces = detector.detect(picture)
        for chosen in align.select(faces, "central", picture.width, picture.height):
            chip = align.align(picture, faces[chosen], target)
            vectors[index] = model.embed(chip[None])[0]
    return vectors


def accepted(vectors: NDArray[np.float32], people: Sequence[str]) -> str:
    """All pairs of different people that count as the same, and of how many."""
    threshold = load_bundled().manifest.threshold
    pairs = list(_strangers(people))
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    # In parts: all differences of a thousand pictures at once would take gigabytes.
    total = sum(
        int((np.linalg.norm(vectors[left[part]] - vectors[right[part]], axis=1) <= threshold).sum())
        for part in np.array_split(np.arange(len(pairs)), len(pairs) // 50_000 + 1)
    )
    return f"{total} of {len(pairs)}"


def _strangers(people: Sequence[str]) -> Iterator[tuple[int, int]]:
    for one, other in combinations(range(len(people)), 2):
        if people[one] != people[other]:
            yield one, other
