"""Thresholds by false-accept rate, as measured; between the measured rates, log-linear."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from model_layer.errors import RateNotMeasured

Rate = Annotated[float, Meta(gt=0, le=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Distance = Annotated[float, Meta(gt=0, le=2)]
# A rate that was computed may miss a measured one by the last bits.
SLACK = 1e-9


class FarThreshold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured rate.

    Attributes:
        far: the share of strangers' pairs that are accepted.
        threshold: the largest L2 distance with that rate.
        pairs: how many pairs of strangers were accepted; the figures rest on so many.
        far_interval: 95 % of the rate at that threshold, from resampling people.
        accepted: the share of pairs of one person that are accepted, and its interval.
    """

    far: Rate
    threshold: Distance
    pairs: Annotated[int, Meta(ge=1)]
    far_interval: tuple[Share, Share] | None = None
    accepted: Share | None = None
    accepted_interval: tuple[Share, Share] | None = None


class WorstGroup(Struct, frozen=True, kw_only=True):
    """The threshold at which the group of adults that fares worst meets the promised rate.

    Attributes:
        far: the promised rate.
        threshold: the L2 distance at which this group, and so every other measured one, meets it.
        group: which one.
        pairs: how many pairs of strangers of the group were counted.
        protocol: on what it was measured.
    """

    far: Rate
    threshold: Distance
    group: str
    pairs: Annotated[int, Meta(ge=1)]
    protocol: str


class Thresholds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The default rate and the table of measured ones, strictest last.

    Attributes:
        default_far: the rate of the default threshold; None where no rate was measured.
        default_threshold: the default L2 distance where no rate stands behind it.
        table: the measured rates, falling.
        strangers: how many pairs of strangers were counted.
        protocol: on what.
        worst_group: a stricter threshold, for who must hold the rate within every group.
    """

    default_far: Rate | None
    default_threshold: Distance | None = None
    table: tuple[FarThreshold, ...] = ()
    strangers: Annotated[int, Meta(ge=0)] = 0
    protocol: str = ""
    worst_group: WorstGroup | None = None

    @property
    def default(self) -> float:
        """The default threshold: an L2 distance, 0..2."""
        if self.default_far is not None:
            return self.threshold_at(self.default_far)
        assert self.default_threshold is not None, "checked when the manifest is read"
        return self.default_threshold

    def threshold_at(self, far: float) -> float:
        """The threshold of a rate, interpolated on log(far) between the two nearest measured ones.

        Raises RateNotMeasured, with the lowest and highest rate in its details, outside the table.
        """
        if not self.table:
            raise RateNotMeasured(
                "the model has no measured false-accept rates; name a threshold instead", far=far
            )
        highest, lowest = self.table[0].far, self.table[-1].far
        if not lowest * (1 - SLACK) <= far <= highest * (1 + SLACK):
            raise RateNotMeasured(
                f"far {far:g} was not measured; the lowest rate is {lowest:g}, the highest "
                f"{highest:g}",
                far=far,
                lowest=lowest,
                highest=highest,
            )
        for upper, lower in pairwise(self.table):
            if far >= lower.far:
                part = math.log(min(far, upper.far) / lower.far) / math.log(upper.far / lower.far)
                return lower.threshold + part * (upper.threshold - lower.threshold)
        return self.table[-1].threshold

    def far_of(self, threshold: float) -> float | None:
        """The rate behind a threshold, the inverse of `threshold_at`; None outside the table."""
        for row in self.table:
            if threshold == row.threshold:
                return row.far
        for upper, lower in pairwise(self.table):
            if lower.threshold < threshold < upper.threshold:
                span = upper.threshold - lower.threshold
                part = (threshold - lower.threshold) / span
                return float(lower.far * (upper.far / lower.far) ** part)
        return None

    def contradictions(self) -> Iterator[str]:
        """A message for each contradiction in well-typed thresholds."""
        if (self.default_far is None) == (self.default_threshold is None):
            yield "thresholds needs default_far or default_threshold, one of the two"
        for upper, lower in pairwise(self.table):
            if not (upper.far > lower.far and upper.threshold >= lower.threshold):
                yield f"thresholds.table does not fall from far {upper.far:g} to {lower.far:g}"
        if self.default_far is not None:
            try:
                self.threshold_at(self.default_far)
            except RateNotMeasured:
                yield f"thresholds.default_far {self.default_far:g} is outside thresholds.table"
