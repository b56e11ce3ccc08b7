"""The scales at which a detector of fixed size looks at a picture."""

from collections.abc import Iterator

from align.boxes import CELL

FACTOR = 0.709


def pyramid_scales(width: int, height: int, min_face: float) -> Iterator[float]:
    """Scales at which faces of `min_face` pixels, and ever larger ones, are 12 pixels wide."""
    scale = CELL / min_face
    side = min(width, height) * scale
    while side >= CELL:
        yield scale
        scale *= FACTOR
        side *= FACTOR
