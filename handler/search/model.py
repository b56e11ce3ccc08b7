"""What a search asks of the model: its contract, its threshold for a rate, its similarity.

The only module of this package that knows how a manifest holds them.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from handler.faces.embedding import EmbeddingProfile, Model
from model_layer.manifest import Manifest


@dataclass(frozen=True)
class RateThreshold:
    """A distance and the false-accept rate that it was measured at.

    `measured`: False where the model's table does not reach the rate that was asked for; then the
    strictest measured one stands in.
    """

    distance: float
    far: float
    measured: bool = True


def contract_of(model: Model, profile: EmbeddingProfile) -> str:
    """What embeddings must share to be compared: `<id>@<digest>`."""
    flip = "+flip" if profile.flip else ""
    return f"{profile.model_id}{flip}@{model.sha256[:12]}"


def similarity(manifest: Manifest, distance: float) -> float | None:
    """Calibrated probability that two faces `distance` apart are one person."""
    return round(manifest.similarity(distance), 6)


def threshold_at(manifest: Manifest, far: float) -> RateThreshold | None:
    """The distance for a false-accept rate, log-linear between the measured rates.

    Below the strictest rate: the strictest, and not `measured`; above the loosest: the loosest,
    which keeps the promise. None where the model has no table.
    """
    table = sorted((float(rate), distance) for rate, distance in manifest.thresholds.by_far.items())
    table = [(rate, distance) for rate, distance in table if rate > 0]
    if not table:
        return None
    strictest, loosest = table[0], table[-1]
    if far < strictest[0]:
        return RateThreshold(strictest[1], strictest[0], measured=False)
    if far >= loosest[0]:
        return RateThreshold(loosest[1], loosest[0])
    for (low, near), (high, wide) in pairwise(table):
        if far < high:
            share = math.log(far / low) / math.log(high / low)
            return RateThreshold(near + share * (wide - near), far)
    raise AssertionError("the table covers every rate between its ends")
