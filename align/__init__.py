"""Decode a picture to upright RGB, detect its faces, cut aligned chips.

picture = align.decode(data)
faces = align.Detector.load().detect(picture)
for index in align.select(faces, "largest", picture.width, picture.height):
    chip = align.align(picture, faces[index], align.BoxAlignment(size=160, margin=32))
"""

from align.alignment import BoxAlignment, SimilarityAlignment, align, alignment_for, fit
from align.decode import can_decode_heic, check_limits, decode
from align.detector import Detector, DetectorProfile
from align.errors import (
    AlignError,
    ImageTooLarge,
    InvalidImage,
    UnsupportedFormat,
    WeightsDamaged,
)
from align.headers import is_heic, read_header
from align.quality import Quality, measure_quality
from align.selection import FaceRule, select
from align.types import Face, Header, Picture

__all__ = [
    "AlignError",
    "BoxAlignment",
    "Detector",
    "DetectorProfile",
    "Face",
    "FaceRule",
    "Header",
    "ImageTooLarge",
    "InvalidImage",
    "Picture",
    "Quality",
    "SimilarityAlignment",
    "UnsupportedFormat",
    "WeightsDamaged",
    "align",
    "alignment_for",
    "can_decode_heic",
    "check_limits",
    "decode",
    "fit",
    "is_heic",
    "measure_quality",
    "read_header",
    "select",
]
