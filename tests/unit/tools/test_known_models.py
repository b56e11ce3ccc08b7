"""What an import claims of public weights is what docs/accuracy.md measured."""

from pathlib import Path

import msgspec

from model_layer import Thresholds
from tools.import_model.known_models import KNOWN, UNKNOWN


def test_the_known_figures_are_those_of_the_page(root: Path) -> None:
    known = KNOWN["20180402-114759"]
    page = (root / "docs" / "accuracy.md").read_text()
    thresholds = msgspec.convert(known.thresholds, Thresholds)
    for row in thresholds.table:
        assert f"| {row.far:g} | " in page
        assert f"| {row.pairs:,} | {row.threshold:.4f} | {row.accepted:.4f} (" in page
    assert (thresholds.default_far, thresholds.strangers) == (1e-3, 2_687_149)
    assert known.calibration is not None
    slope, intercept = (known.calibration[name] for name in ("slope", "intercept"))
    assert f"exp({slope:.2f} distance - {intercept:.2f})" in page
    served = next(row for row in known.accuracy if row["precision"] == "int8")
    assert f"| {served['accuracy']:.4f} ± " in page


def test_what_was_not_measured_has_no_rate_and_no_similarity() -> None:
    for known in (UNKNOWN, KNOWN["20180408-102900"], KNOWN["20180402-114759"].unmeasured()):
        thresholds = msgspec.convert(known.thresholds, Thresholds)
        assert (thresholds.default_far, thresholds.default, thresholds.table) == (None, 1.1, ())
        assert known.calibration is None
