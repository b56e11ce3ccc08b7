"""Bytes of a picture -> upright RGB -> faces -> aligned chips.

picture = align.decode(data)
faces = align.Detector.load().detect(picture)
for index in align.select(faces, "largest", picture.width, picture.height):
    chip = align.align(picture, faces[index], align.BoxAlignment(size=160, margin=32))
"""

from align.alignment import BoxAlignment, SimilarityAlignment, align, fit
from align.decode import decode
from align.detector import Detector
from align.errors import AlignError, FaceNotFound, ImageTooLarge, InvalidImage, UnsupportedFormat
from align.headers import read_header
from align.networks import WeightsDamaged
from align.quality import Quality, measure_quality
from align.selection import select
from align.types import Face, Header, Picture

__all__ = [
    "AlignError",
    "BoxAlignment",
    "Detector",
    "Face",
    "FaceNotFound",
    "Header",
    "ImageTooLarge",
    "InvalidImage",
    "Picture",
    "Quality",
    "SimilarityAlignment",
    "UnsupportedFormat",
    "WeightsDamaged",
    "align",
    "decode",
    "fit",
    "measure_quality",
    "read_header",
    "select",
]
