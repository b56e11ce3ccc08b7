"""What an import claims of public weights is what docs/accuracy.md measured."""

from pathlib import Path

from tools.import_model.known_models import KNOWN


def test_the_known_figures_are_those_of_the_page(root: Path) -> None:
    known = KNOWN["20180402-114759"]
    page = (root / "docs" / "accuracy.md").read_text()
    for far, distance in known.thresholds["by_far"].items():
        assert f"| {far} | {distance:.4f} |" in page
    assert known.thresholds["default"]["distance"] == known.thresholds["by_far"]["0.01"]
    slope, intercept = (known.calibration[name] for name in ("slope", "intercept"))
    assert f"exp({slope:.2f} distance - {intercept:.2f})" in page
    served = next(row for row in known.accuracy if row["precision"] == "int8")
    assert f"| {served['accuracy']:.4f} ± " in page
    assert f"| {served['val_at_far_0.01']:.3f} (" in page
    assert f"| {served['val_at_far_0.001']:.3f} (" in page
