"""Measures an exported model through the product's own path and writes its manifest."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_layer.manifest import MANIFEST_NAME, Manifest, Precision, read_manifest
from tools.evaluate.__main__ import main as evaluate
from tools.evaluate.calibrate import main as calibrate
from training.export import PARITY, write_manifest

LICENCE = "Apache-2.0"
# A manifest has to be valid before the model can be measured; these never leave this module.
UNMEASURED: dict[str, Any] = {
    "thresholds": {"default_far": None, "default_threshold": 1.0},
    "licence": LICENCE,
}
FACTS = ("thresholds", "calibration", "refusal", "licence", "provenance", "accuracy")
DEFAULT_FAR = 1e-4
SOURCES = {
    "source": "this project, training",
    "start_and_teacher": "Open Model Zoo face-reidentification-retail-0095 (Apache-2.0)",
    "data": "25,408 chips of UTKFace, Pins, CASIA and Glint; see docs/models",
}


def describe(
    folder: Path, name: str, lfw: Path, data: Path, work: Path, command: Sequence[str]
) -> Manifest:
    """Write `folder`/manifest.json from LFW pairs in `lfw` and faces of groups in `data`.

    What is measured is the int8 file. Reports stay in `work`/reports.
    """
    write_manifest(folder, name, UNMEASURED)
    reports = [measure(folder, lfw, work, "int8", flip) for flip in (False, True)]
    provenance = {**SOURCES, "commit": commit(), "command": shlex.join(command)}
    accuracy = [accuracy_entry(report) for report in reports]
    facts = {**UNMEASURED, "provenance": provenance, "accuracy": accuracy}
    write_manifest(folder, name, facts)
    decide(folder, lfw, data, work)
    return read_manifest(folder)


def decide(folder: Path, lfw: Path, data: Path, work: Path) -> None:
    """Measure the manifest's thresholds, worst group, calibration and refusal."""
    places = {
        "--pairs": lfw / "pairs.csv",
        "--images": lfw / "images.zip",
        "--groups": data / "groups.csv",
        "--chips": data / "chips.zip",
        "--default-far": DEFAULT_FAR,
        "--name": "LFW",
        "--out": work / "reports",
    }
    calibrate([str(folder), *(str(word) for place in places.items() for word in place)])


def ship(folder: Path, destination: Path) -> Manifest:
    """Copy what is bundled to `destination`: the int8 file, its parity vectors, its manifest."""
    destination.mkdir(parents=True, exist_ok=True)
    for name in ("int8.tflite", PARITY):
        shutil.copyfile(folder / name, destination / name)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    facts = {key: content[key] for key in FACTS if key in content}
    return write_manifest(destination, content["id"], facts)


def measure(
    folder: Path, lfw: Path, work: Path, precision: Precision, flip: bool
) -> dict[str, Any]:
    """The report of tools.evaluate for one file, and its facts under `precision` and `flip`."""
    out = work / "reports" / (f"{precision}-flip" if flip else precision)
    places = {
        "--model": folder,
        "--pairs": lfw / "pairs.csv",
        "--images": lfw / "images.zip",
        "--out": out,
        "--cache": work / "reports" / "cache",
    }
    words = [str(word) for place in places.items() for word in place]
    evaluate([*words, "--precision", precision, *(["--flip"] if flip else [])])
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report | {"precision": precision, "flip": flip}


def accuracy_entry(report: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the manifest's `accuracy`."""
    return {
        "protocol": f"LFW folds {', '.join(map(str, report['accuracy']['folds']))}, "
        f"{report['pairs']} pairs, detector {report['facts']['detector']}, "
        f"face {report['facts']['face']}, threshold on squared L2 from the other folds",
        "precision": report["precision"],
        "flip": report["flip"],
        "accuracy": round(report["accuracy"]["mean"], 4),
        "deviation": round(report["accuracy"]["deviation"], 4),
        "auc": round(report["auc"]["value"], 4),
        "eer": round(report["eer"]["value"], 4),
        "accepted": {
            f"{row['far']:g}": round(row["accepted"]["value"], 4) for row in report["by_far"]
        },
        "expected_calibration_error": round(report["ece"], 4),
    }


def commit() -> str:
    """The commit that `training` was last changed in."""
    root = Path(__file__).resolve().parents[1]
    words = ["git", "log", "-1", "--format=%H", "--", "training"]
    answer = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
