"""Thresholds and calibration of an imported model, measured by tools/evaluate."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from model_layer.manifest import MANIFEST_NAME
from tools.import_model.errors import ImportFailed
from tools.import_model.quantize import Candidate, better
from tools.import_model.write_manifest import save

# Accepted share of one person's pairs at the strictest rate that the choice looks at: two files
# that differ by less are equally good.
CHOICE_FAR, ACCEPTED_SLACK = 1e-4, 0.005
# A lower accuracy than the authors' by more than this is not the pictures' doing.
SUSPICIOUS = 0.01


def measure(folder: Path, pairs: Path, images: Path, cache: Path) -> Any:
    """The folder's default file on the pairs, as `tools.evaluate` measures it.

    cache: where chips stay between measurements; outside of the folder, which may go into an image.
    """
    # They draw charts: slow to import.
    from tools.evaluate.__main__ import evaluate, parse_arguments

    places = {"--model": folder, "--pairs": pairs, "--images": images, "--cache": cache}
    words = [str(word) for place in places.items() for word in place]
    # Not its `main`: that says the same command goes on, for which `cache` would have to stay.
    return evaluate(parse_arguments([*words, "--name", pairs.stem, "--out", str(cache)]))


def calibrate(
    folder: Path,
    pairs: Path,
    images: Path,
    cache: Path | None = None,
    claimed: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Evaluates the folder's default file on the pairs and writes what comes out into its manifest.

    The report stays in `folder`/calibration. claimed: accuracies that the authors state. Raises
    ImportFailed where nothing usable comes out.
    """
    from tools.evaluate import report
    from tools.evaluate.__main__ import write

    out = folder / "calibration"
    with tempfile.TemporaryDirectory() as place:
        measured = measure(folder, pairs, images, cache or Path(place))
    write(measured, out, report.DEFAULT_FAR)
    print(report.to_markdown(measured.report))
    fields = report.manifest_fields(measured.report, report.DEFAULT_FAR)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    content |= {field: fields[field] for field in ("thresholds", "calibration")}
    accuracy = round(float(measured.report.accuracy.mean), 4)
    content["accuracy"] = [*content.get("accuracy", []), _row(content, pairs, accuracy)]
    try:
        save(folder, content)
    except msgspec.DecodeError as exc:
        raise ImportFailed(
            f"the pairs give no usable threshold ({exc}); the manifest keeps its old thresholds. "
            f"Look for wrong labels among the pairs, see {out}/report.md"
        ) from exc
    for words in beside_claims(accuracy, claimed):
        print(words)


def _row(content: Mapping[str, Any], pairs: Path, accuracy: float) -> dict[str, Any]:
    return {
        "protocol": f"{pairs.stem}, fast detector, central face, held-out folds",
        "precision": content["default_precision"],
        "accuracy": accuracy,
    }


def beside_claims(accuracy: float, claimed: Sequence[Mapping[str, Any]]) -> list[str]:
    """How far the accuracy is from the authors', and what to look at where that is far."""
    lines = []
    for row in claimed:
        gap = accuracy - row["accuracy"]
        hint = ""
        if gap < -SUSPICIOUS:
            hint = "; look at --colour-order, --mean, --scale, --alignment and --template"
        lines.append(
            f"accuracy {accuracy:.4f} here, {row['accuracy']:.4f} by its authors "
            f"({row['protocol']}): {gap:+.4f}{hint}"
        )
    return lines


def choose_by_pairs(
    found: Sequence[Candidate], serve: Callable[[Candidate], Any], accepted: Callable[[], float]
) -> Candidate:
    """The better of the int8 files on the pairs. serve: puts one into the folder."""
    shares: dict[str, float] = {}
    for one in found:
        serve(one)
        shares[one.method] = accepted()
        print(f"int8, {one.method}: {shares[one.method]:.4f} accepted of the pairs")
    return better(found, lambda one: shares[one.method], ACCEPTED_SLACK)


def accepted_share(measured: Any) -> float:
    """The share of one person's pairs accepted at the strictest rate down to CHOICE_FAR; the
    accuracy where the strangers are too few for any rate."""
    rows = [row for row in measured.report.by_far if row.far >= CHOICE_FAR * (1 - 1e-9)]
    if not rows:
        return float(measured.report.accuracy.mean)
    return float(min(rows, key=lambda row: float(row.far)).accepted.value)
