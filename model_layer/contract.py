"""The identity of an embedding: two are comparable where their contracts are equal."""

import hashlib
from typing import Literal

import msgspec

from model_layer.manifest import (
    BoxAlignment,
    Manifest,
    Precision,
    SimilarityAlignment,
    Standardization,
)

Profile = Literal["default", "uai"]
# Hexadecimal digits: 48 bits.
DIGEST_LENGTH = 12


def contract(
    manifest: Manifest,
    sha256: str,
    precision: Precision,
    *,
    alignment: BoxAlignment | SimilarityAlignment | None = None,
    standardization: Standardization | None = None,
    flip: bool = False,
    profile: Profile = "default",
) -> str:
    """`<id>@<digest>`, where the digest covers everything that changes an embedding.

    That is: id, SHA-256 of the weights, precision, alignment with its template, colour order,
    standardization, the mean that is subtracted, flip and profile. `alignment` and
    `standardization` replace the manifest's, as they do in `Model.embed`. Neither engine nor
    detector is part of it: they change an embedding as little as another photograph's noise does.
    """
    parts = {
        "id": manifest.id,
        "sha256": sha256,
        "precision": precision,
        "alignment": msgspec.to_builtins(alignment or manifest.alignment),
        "colour_order": manifest.input.colour_order,
        "standardization": standardization or manifest.input.standardization,
        "mean": None if standardization else manifest.embedding.mean,
        "flip": flip,
        "profile": profile,
    }
    text = msgspec.json.encode(parts, order="sorted")
    return f"{manifest.id}@{hashlib.sha256(text).hexdigest()[:DIGEST_LENGTH]}"
