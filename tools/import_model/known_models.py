"""What is known of public weights, by the name that their author gave them."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from model_layer.manifest import Standardization

AUTHOR = "https://github.com/davidsandberg/facenet"
# Measured with tools/evaluate: as imported with no options, at its default settings; the figures
# are those of docs/accuracy.md.
LFW_PROTOCOL = "LFW folds 1-3, 1,800 pairs, fast detector, central face, held-out folds"
# What the author calls a file or folder of a release, or somebody with "facenet-" in front. More
# in a name makes other weights of it: fine-tuned on it, say, or a student of it.
RELEASE = re.compile(r"(?:(?:facenet|model)[-_])?(\d{8}-\d{6})(?:\.(?:pb|meta|npz|zip))?")


@dataclass(frozen=True)
class KnownModel:
    """Manifest fields that the weights themselves do not carry."""

    standardization: Standardization = "fixed"
    size: int = 160
    margin: int = 32
    licence: str = "unknown"
    thresholds: dict[str, Any] = field(
        default_factory=lambda: {"default": {"distance": 1.1, "far": None}, "by_far": {}}
    )
    calibration: dict[str, Any] = field(
        default_factory=lambda: {
            "slope": 10.0,
            "intercept": 11.0,
            "protocol": "not measured: similarity is 0.5 at the customary distance 1.1",
        }
    )
    accuracy: tuple[dict[str, Any], ...] = ()

    def unmeasured(self) -> "KnownModel":
        """The same weights fed in another way, for which no measured threshold holds."""
        return replace(
            self, thresholds=UNKNOWN.thresholds, calibration=UNKNOWN.calibration, accuracy=()
        )


def _author_accuracy(accuracy: float, **more: Any) -> dict[str, Any]:
    return {
        "protocol": "LFW, ten folds, as stated by the author",
        "source": AUTHOR,
        "precision": "float32",
        "accuracy": accuracy,
        **more,
    }


UNKNOWN = KnownModel()
KNOWN = {
    "20180402-114759": KnownModel(
        licence="MIT",
        accuracy=(
            _author_accuracy(0.9965, flip=True, metric="cosine", minus_mean=True),
            _author_accuracy(0.995, flip=False, metric="cosine", minus_mean=True),
            {
                "protocol": LFW_PROTOCOL,
                "precision": "int8",
                "accuracy": 0.9939,
                "val_at_far_0.01": 0.9956,
                "val_at_far_0.001": 0.9744,
            },
        ),
        thresholds={
            "default": {"distance": 1.1373, "far": 0.01},
            "by_far": {"0.1": 1.243, "0.01": 1.1373, "0.001": 0.985},
        },
        calibration={"slope": 23.8533, "intercept": 25.8729, "protocol": LFW_PROTOCOL},
    ),
    "20180408-102900": KnownModel(licence="MIT", accuracy=(_author_accuracy(0.9905),)),
}


def recognise(*names: str) -> tuple[str | None, KnownModel]:
    """The release that one of the names is and what is known of it, or (None, UNKNOWN)."""
    for name in names:
        match = RELEASE.fullmatch(name)
        if match and match[1] in KNOWN:
            return match[1], KNOWN[match[1]]
    return None, UNKNOWN
