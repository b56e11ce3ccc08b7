"""Pictures to embeddings along the product's own path: decode, detect, select, align, embed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import align
import model_layer
from align import BoxAlignment, Detector, DetectorProfile, Face, Picture, SimilarityAlignment
from tools.evaluate import cache
from tools.evaluate.dataset import Pictures

Alignment = BoxAlignment | SimilarityAlignment
EMBED_BATCH = 16
# Where LFW's faces lie, as shares of the picture, and the five points inside that box: what a face
# that is not found is taken to be.
CENTRE_BOX = (0.30, 0.25, 0.70, 0.77)
CENTRE_POINTS = ((0.30, 0.40), (0.70, 0.40), (0.50, 0.60), (0.34, 0.78), (0.66, 0.78))


@dataclass(frozen=True)
class Chips:
    """Aligned faces uint8 RGB [N,S,S,3], and whether each was found or is the picture's centre."""

    pixels: NDArray[np.uint8]
    found: NDArray[np.bool_]
    key: str


@dataclass(frozen=True)
class FaceChoice:
    """How a picture becomes a chip."""

    detector: DetectorProfile
    rule: Literal["central", "largest"]
    alignment: Alignment


def alignment_of(model: model_layer.Model, margin: int | None = None) -> Alignment:
    """The manifest's alignment; `margin` replaces the margin of a box."""
    own = model.manifest.alignment
    if own.margin is None and margin is not None:
        raise SystemExit(f"{model.id} aligns by landmarks: it has no --margin")
    return align.alignment_for(own.size, own.margin if margin is None else margin, own.template)


def central_face(picture: Picture) -> Face:
    """A face as LFW's pictures have it in their middle, for a picture in which none was found."""
    left, top, right, bottom = CENTRE_BOX
    box = (
        left * picture.width,
        top * picture.height,
        right * picture.width,
        bottom * picture.height,
    )
    span = np.array([box[2] - box[0], box[3] - box[1]])
    points = np.array(box[:2]) + np.array(CENTRE_POINTS) * span
    return Face(box=box, landmarks=points.astype(np.float32), score=0.0)


def face_of(
    pictures: Pictures, name: str, detector: Detector, choice: FaceChoice
) -> tuple[Picture, Face, bool]:
    """A picture, its chosen face, and whether one was found; exits naming what cannot be read."""
    data = pictures.read(name)
    try:
        header = align.read_header(data)
        picture = align.decode(data, reduction=detector.reduction_for(header), header=header)
    except align.AlignError as exc:
        raise SystemExit(f"{name}: {exc}") from exc
    faces = detector.detect(picture)
    chosen = align.select(faces, choice.rule, picture.width, picture.height)
    return picture, faces[chosen[0]] if chosen else central_face(picture), bool(chosen)


def chip_of(
    pictures: Pictures, name: str, detector: Detector, choice: FaceChoice
) -> tuple[NDArray[np.uint8], bool]:
    """One picture's chip [S,S,3], and whether a face was found."""
    picture, face, found = face_of(pictures, name, detector, choice)
    return align.align(picture, face, choice.alignment), found


def make_chips(
    pictures: Pictures, names: Sequence[str], choice: FaceChoice, folder: Path, jobs: int = 1
) -> Chips:
    """The chip of every picture, in order; kept in `folder` per detector, rule and alignment.

    `jobs` detectors work side by side, each in a thread of its own.
    """
    facts = {
        "pictures": pictures.digest,
        "names": names,
        "detector": choice.detector,
        "rule": choice.rule,
        "alignment": [type(choice.alignment).__name__, asdict(choice.alignment)],
        "code": cache.digest_of("align"),
    }
    key = cache.key_of(**facts)
    detectors: SimpleQueue[Detector] = SimpleQueue()
    for _ in range(jobs):
        detectors.put(Detector.load(choice.detector, threads=1))

    def make(rows: Sequence[int]) -> cache.Arrays:
        detector = detectors.get()
        try:
            results = [chip_of(pictures, names[row], detector, choice) for row in rows]
        finally:
            detectors.put(detector)
        pixels, found = zip(*results, strict=True)
        return {"pixels": np.stack(pixels), "found": np.array(found)}

    stored = cache.compute_in_chunks(
        folder / f"chips-{key}", len(names), "detecting faces", make, jobs=jobs
    )
    return Chips(stored["pixels"], stored["found"], key)


@dataclass(frozen=True)
class EmbedOptions:
    """What differs from the manifest when chips are embedded."""

    flip: bool = False
    standardization: model_layer.Standardization | None = None


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors float32[N,D], and the network's own norms float32[N]."""

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]


def make_embeddings(
    model: model_layer.Model, chips: Chips, options: EmbedOptions, folder: Path
) -> NDArray[np.float32]:
    """The vectors of `embed_chips` alone: float32[N,D]."""
    return embed_chips(model, chips, options, folder).vectors


def embed_chips(
    model: model_layer.Model, chips: Chips, options: EmbedOptions, folder: Path
) -> Embeddings:
    """Embeddings of the chips, kept in `folder` per model and options."""
    key = cache.key_of(
        chips=chips.key,
        model=[model.id, model.sha256, type(model.engine).__name__],
        input=[model.manifest.input.colour_order, model.manifest.input.standardization],
        mean=model.manifest.embedding.mean,
        code=cache.digest_of("model_layer"),
        **asdict(options),
    )

    def make(rows: Sequence[int]) -> cache.Arrays:
        pixels = chips.pixels[rows[0] : rows[-1] + 1]
        parts = [
            model.embed_with_norms(
                batch, flip=options.flip, standardization=options.standardization
            )
            for batch in np.split(pixels, range(EMBED_BATCH, len(pixels), EMBED_BATCH))
        ]
        vectors, norms = zip(*parts, strict=True)
        return {"vectors": np.concatenate(vectors), "norms": np.concatenate(norms)}

    stored = cache.compute_in_chunks(
        folder / f"embeddings-{key}", len(chips.pixels), "embedding", make
    )
    return Embeddings(
        np.asarray(stored["vectors"], np.float32), np.asarray(stored["norms"], np.float32)
    )
