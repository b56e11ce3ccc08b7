"""Embeddings of several images -> the pairs of faces, nearest first."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from handler.answers import FaceIndex, Pair
from model_layer import distances


def match(
    groups: Sequence[NDArray[np.float32]],
    threshold: float,
    similarity: Callable[[float], float],
) -> list[Pair]:
    """Every pair of faces of different images, nearest first.

    `groups` holds one float32 [n,D] of unit vectors per image. A face's pair with another face
    of its own image is no pair.
    """
    vectors = np.concatenate(groups)
    image = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    face = np.concatenate([np.arange(len(group)) for group in groups])
    first, second = np.triu_indices(len(vectors), k=1)
    apart = image[first] != image[second]
    first, second = first[apart], second[apart]
    lengths = np.minimum(distances(vectors, vectors)[first, second], 2.0)
    order = np.argsort(lengths, kind="stable")
    return [
        _pair(
            FaceIndex(int(image[a]), int(face[a])),
            FaceIndex(int(image[b]), int(face[b])),
            float(length),
            threshold,
            similarity,
        )
        for a, b, length in zip(first[order], second[order], lengths[order], strict=True)
    ]


def nearest_of_first(pairs: Sequence[Pair]) -> Pair:
    """The nearest pair of image 0 with another image."""
    return next(pair for pair in pairs if pair.a.image == 0)


def _pair(
    a: FaceIndex,
    b: FaceIndex,
    distance: float,
    threshold: float,
    similarity: Callable[[float], float],
) -> Pair:
    return Pair(
        a=a,
        b=b,
        distance=round(distance, 6),
        similarity=round(similarity(distance), 6),
        same=distance <= threshold,
    )
