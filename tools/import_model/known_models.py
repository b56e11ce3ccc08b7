"""What is known of public weights, by the name that their author gave them."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from model_layer.manifest import Standardization

AUTHOR = "https://github.com/davidsandberg/facenet"
# Measured with tools/evaluate: as imported with no options, at its default settings; the figures
# are those of docs/accuracy.md.
LFW_PROTOCOL = "LFW folds 1-3, 1,800 pairs, fast detector, central face, held-out folds"
LFW_STRANGERS = (
    "LFW folds 1-3, all 2,687,149 pairs of strangers, 900 labelled pairs of one person, int8, fast "
    "detector, central face"
)
# What the author calls a file or folder of a release, or somebody with "facenet-" in front. More
# in a name makes other weights of it: fine-tuned on it, say, or a student of it.
RELEASE = re.compile(
    r"(?:(?:facenet|model)[-_])?(\d{8}-\d{6})(?:-weights|-vggface2|-casia-webface)?"
    r"(?:\.(?:pb|meta|npz|zip|h5|pt))?"
)


@dataclass(frozen=True)
class KnownModel:
    """Manifest fields that the weights themselves do not carry."""

    standardization: Standardization = "fixed"
    size: int = 160
    margin: int | None = 32  # of a box; None for alignment by landmarks
    template: tuple[tuple[float, float], ...] | None = None  # None: the customary one
    colour_order: str = "RGB"
    licence: str = "unknown"
    origin: str | None = None
    # Unmeasured: the customary distance, behind which no rate stands, and no similarity.
    thresholds: dict[str, Any] = field(
        default_factory=lambda: {"default_far": None, "default_threshold": 1.1}
    )
    calibration: dict[str, Any] | None = None
    accuracy: tuple[dict[str, Any], ...] = ()

    def unmeasured(self) -> "KnownModel":
        """The same weights fed in another way, for which no measured threshold holds."""
        return replace(
            self, thresholds=UNKNOWN.thresholds, calibration=UNKNOWN.calibration, accuracy=()
        )


def _author_accuracy(accuracy: float, source: str = AUTHOR, **more: Any) -> dict[str, Any]:
    return {
        "protocol": "LFW, ten folds, as stated by the author",
        "source": source,
        "precision": "float32",
        "accuracy": accuracy,
        **more,
    }


def _row(
    far: float,
    threshold: float,
    pairs: int,
    far_interval: tuple[float, float],
    accepted: float,
    accepted_interval: tuple[float, float],
) -> dict[str, Any]:
    """One rate, as `model_layer.FarThreshold` has it."""
    return {
        "far": far,
        "threshold": threshold,
        "pairs": pairs,
        "far_interval": far_interval,
        "accepted": accepted,
        "accepted_interval": accepted_interval,
    }


UNKNOWN = KnownModel()
KNOWN = {
    "20180402-114759": KnownModel(
        licence="MIT",
        origin="David Sandberg (davidsandberg/facenet), trained on VGGFace2",
        accuracy=(
            _author_accuracy(0.9965, flip=True, metric="cosine", minus_mean=True),
            _author_accuracy(0.995, flip=False, metric="cosine", minus_mean=True),
            {"protocol": LFW_PROTOCOL, "precision": "int8", "accuracy": 0.9956},
        ),
        thresholds={
            "default_far": 1e-3,
            "table": [
                _row(0.1, 1.242, 268_714, (0.0943, 0.106), 1.0, (0.9976, 1.0)),
                _row(0.01, 1.0849, 26_871, (0.00883, 0.0113), 0.9922, (0.9845, 0.9979)),
                _row(0.001, 0.946, 2_687, (0.000688, 0.00148), 0.9622, (0.9406, 0.9807)),
                _row(0.0001, 0.809, 268, (2.64e-05, 0.00029), 0.8367, (0.6656, 0.9043)),
                _row(1e-05, 0.6599, 26, (0.0, 4.6e-05), 0.5567, (0.4621, 0.7787)),
            ],
            "strangers": 2_687_149,
            "protocol": LFW_STRANGERS,
            "worst_group": None,
        },
        calibration={"slope": 22.0457, "intercept": 23.4796, "protocol": LFW_STRANGERS},
    ),
    # Its weights were not at hand when rates were last measured: import it with --pairs to have its
    # own thresholds and similarity.
    "20180408-102900": KnownModel(
        licence="MIT",
        origin="David Sandberg (davidsandberg/facenet), trained on CASIA-WebFace",
        accuracy=(_author_accuracy(0.9905),),
    ),
}

# Networks that come as ONNX or OpenVINO IR, by the beginning of their file's name.
OPEN_MODEL_ZOO = (
    "https://docs.openvino.ai/latest/omz_models_model_face_reidentification_retail_0095.html"
)
OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/tree/main/models/face_recognition_sface"
NETWORKS = {
    "face-reidentification-retail-0095": KnownModel(
        size=128,
        margin=None,
        # The customary template of 96x112 pixels, stretched to 128x128.
        template=(
            (40.3928, 59.0815),
            (87.3757, 58.8587),
            (64.0336, 81.9847),
            (44.7324, 105.5606),
            (83.6399, 105.3761),
        ),
        colour_order="BGR",
        licence="Apache-2.0",
        origin="Intel, Open Model Zoo",
        accuracy=(_author_accuracy(0.9947, OPEN_MODEL_ZOO),),
    ),
    "face_recognition_sface": KnownModel(
        size=112,
        margin=None,
        licence="Apache-2.0",
        origin="Yaoyao Zhong, OpenCV Zoo",
        accuracy=(_author_accuracy(0.994, OPENCV_ZOO),),
    ),
}
# Of a size that says how it is fed: public networks of 112x112 follow ArcFace, of 160x160 FaceNet.
BY_SIZE = {112: KnownModel(size=112, margin=None), 160: KnownModel()}


def known_network(name: str, size: int) -> tuple[str | None, KnownModel]:
    """What the name of a network's file, or else its size, says; (None, ...) by size alone."""
    for start, known in NETWORKS.items():
        if name.startswith(start) and known.size == size:
            return start, known
    return None, BY_SIZE.get(size, KnownModel(size=size, margin=None))


def recognise(*names: str) -> tuple[str | None, KnownModel]:
    """The release that one of the names is and what is known of it, or (None, UNKNOWN)."""
    for name in names:
        match = RELEASE.fullmatch(name)
        if match and match[1] in KNOWN:
            return match[1], KNOWN[match[1]]
    return None, UNKNOWN
