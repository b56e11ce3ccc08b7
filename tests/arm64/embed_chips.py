"""Embeds chips in one process, on whichever processor; prints JSON.

python -m tests.arm64.embed_chips MODEL CHIPS.npy PICTURE...

CHIPS.npy holds uint8 RGB [N,S,S,3], the same for every processor. Of each PICTURE this process
finds the largest face itself, so that the detector's differences count as well.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import align
from model_layer import Model, load
from model_layer.distance import normalise
from model_layer.model import deviation
from model_layer.standardize import check_chip

Chips = NDArray[np.uint8]


def chip_of(data: bytes, detector: align.Detector, model: Model) -> Chips | None:
    """The largest face of a picture as the model takes it, uint8 RGB [S,S,3]; None without one."""
    picture = align.decode(data)
    faces = detector.detect(picture)
    chosen = align.select(faces, "largest", picture.width, picture.height)
    if not chosen:
        return None
    own = model.manifest.alignment
    target = align.alignment_for(own.size, own.margin, own.template)
    return align.align(picture, faces[chosen[0]], target)


def answer(model: Model, chips: Chips, pictures: list[bytes]) -> dict[str, Any]:
    detector = align.Detector.load()
    found = [chip_of(data, detector, model) for data in pictures]
    checked = normalise(model.answer_raw(check_chip(model.input_size)[None]))[0]
    return {
        "machine": platform.machine(),
        "chips": model.embed(chips).tolist() if len(chips) else [],
        "pictures": [None if one is None else model.embed(one[None])[0].tolist() for one in found],
        "deviation": deviation(checked, model.manifest.check[model.precision]),
    }


if __name__ == "__main__":
    folder, chips, *names = sys.argv[1:]
    pictures = [Path(name).read_bytes() for name in names]
    print(json.dumps(answer(load(folder), np.load(chips), pictures)))
