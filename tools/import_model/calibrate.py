"""Thresholds and calibration of an imported model, measured by tools/evaluate."""

import json
import tempfile
from pathlib import Path

import msgspec

from model_layer.manifest import MANIFEST_NAME
from tools.import_model.errors import ImportFailed
from tools.import_model.write_manifest import save


def calibrate(folder: Path, pairs: Path, images: Path) -> None:
    """Evaluates the folder's default file on the pairs and writes what comes out into its manifest.

    The report stays in `folder`/calibration. Raises ImportFailed where nothing usable comes out.
    """
    # They draw charts: slow to import.
    from tools.evaluate import report
    from tools.evaluate.__main__ import evaluate, parse_arguments, write

    out = folder / "calibration"
    # The model folder may go into an image: no face may stay in it.
    with tempfile.TemporaryDirectory() as cache:
        places = {"--model": folder, "--pairs": pairs, "--images": images, "--out": out}
        words = [str(word) for place in places.items() for word in place]
        options = parse_arguments([*words, "--name", pairs.stem, "--cache", cache])
        # Not its `main`: that says the same command goes on, for which `cache` would have to stay.
        measured = evaluate(options)
    write(measured, out, options.default_far)
    print(report.to_markdown(measured.report))
    fields = report.manifest_fields(measured.report, options.default_far)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    content |= {field: fields[field] for field in ("thresholds", "calibration")}
    try:
        save(folder, content)
    except msgspec.DecodeError as exc:
        raise ImportFailed(
            f"the pairs give no usable threshold ({exc}); the manifest keeps its old thresholds. "
            f"Look for wrong labels among the pairs, see {out}/report.md"
        ) from exc
