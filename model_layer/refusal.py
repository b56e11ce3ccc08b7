"""Detects, by its embedding, a face that the model cannot tell apart from others."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

Share = Annotated[float, Meta(ge=0, le=1)]


class Crowd(Struct, frozen=True, kw_only=True):
    """Where the embeddings of pictures that are bad in one way lie.

    Attributes:
        condition: the way, for people.
        direction: as many numbers as an embedding has.
        norm_weight: of the network's own norm (see `Model.embed_with_norms`).
        limit: direction . embedding + norm_weight * norm is higher for a face in the crowd.
    """

    condition: str
    direction: tuple[float, ...]
    norm_weight: float
    limit: float


class Refusal(Struct, frozen=True, kw_only=True):
    """Linear scores of an embedding: high where pictures are so bad that strangers crowd together.

    Blurred, noisy or turned faces lie near each other, in parts of the space that clear faces leave
    empty. Measured by `python -m tools.evaluate.calibrate`, which fits the directions to worn
    pictures and chooses the limits on people that the fit has not seen.

    Attributes:
        crowds: one for each condition that needs it; a face in any of them is refused.
        refused: share of undamaged pictures that are refused.
        strangers_accepted: the highest share of strangers accepted at the default threshold, of
            pairs worn in one way and not refused.
        protocol: on what it was measured.
    """

    crowds: tuple[Crowd, ...]
    refused: Share
    strangers_accepted: Share
    protocol: str

    def scores(
        self, vectors: NDArray[np.float32], norms: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """How far each embedding is inside the nearest crowd, float64[N]; positive: refused.

        vectors: float32[N,D], unit vectors; norms: float32[N], the network's own.
        """
        scores = np.full(len(vectors), -np.inf)
        wide, lengths = vectors.astype(np.float64), norms.astype(np.float64)
        for crowd in self.crowds:
            direction = np.array(crowd.direction, np.float64)
            inside = wide @ direction + crowd.norm_weight * lengths - crowd.limit
            scores = np.maximum(scores, inside)
        return scores

    def refuses(
        self, vectors: NDArray[np.float32], norms: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """bool[N]: which embeddings the model cannot tell apart. Arguments as for `scores`."""
        return np.asarray(self.scores(vectors, norms) > 0)

    def contradictions(self, dimension: int) -> Iterator[str]:
        """A message for each contradiction in a well-typed refusal."""
        for crowd in self.crowds:
            if len(crowd.direction) != dimension:
                yield (
                    f"refusal: the direction of {crowd.condition!r} has {len(crowd.direction)} "
                    f"values, not {dimension}"
                )
