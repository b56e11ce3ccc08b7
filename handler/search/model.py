"""What a search needs of the model: its threshold for a rate, its similarity."""

from dataclasses import dataclass

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


def similarity(manifest: Manifest, distance: float) -> float | None:
    """Calibrated probability that two faces `distance` apart are one person, if there is one."""
    probability = manifest.similarity(distance)
    return None if probability is None else round(probability, 6)


def threshold_at(manifest: Manifest, far: float) -> RateThreshold | None:
    """The distance for a false-accept rate.

    Below the strictest measured rate: the strictest, and not `measured`; above the loosest: the
    loosest, which keeps the promise. None where the model has no table.
    """
    table = manifest.thresholds.table
    if not table:
        return None
    loosest, strictest = table[0], table[-1]
    if far < strictest.far:
        return RateThreshold(strictest.threshold, strictest.far, measured=False)
    if far >= loosest.far:
        return RateThreshold(loosest.threshold, loosest.far)
    return RateThreshold(manifest.thresholds.threshold_at(far), far)
