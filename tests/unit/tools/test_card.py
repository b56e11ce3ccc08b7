"""The bundled model's card: blocks are filled in, and it says what the manifest says."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from model_layer.files import BUNDLED
from tools.evaluate import conditions
from tools.train import card

CARD = """\
# a card

<!-- measured: files -->

| file | size |
|---|---|
| int8 | 1 MB |
| float32 | 4 MB |

Words between.

<!-- measured: rates -->

| FAR |
"""


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "docs" / "models" / f"{card.ID}.md").read_text()


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BUNDLED / "manifest.json").read_text())
    return found


def block(text: str, name: str) -> list[str]:
    found = re.search(rf"{re.escape(card.BLOCK.format(name))}((?:.+\n)+)", text)
    assert found, name
    return found[1].splitlines()


def test_a_block_is_replaced_and_nothing_else() -> None:
    filled = card.fill(CARD, "rates", ["| FAR | VAL |", "| 0.01 | 1 |"])
    assert filled == CARD.replace("| FAR |\n", "| FAR | VAL |\n| 0.01 | 1 |\n")


def test_a_block_that_the_card_lacks_is_named() -> None:
    with pytest.raises(KeyError, match="gap"):
        card.fill(CARD, "gap", [])


def test_without_data_the_card_stays_and_says_why(
    tmp_path: Path, text: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--{name}={tmp_path / name}" for name in ("lfw", "data", "work")]
    assert card.main(["--check", *words]) == 0
    assert capsys.readouterr().err.count("not measured: ") == 3
    assert (root / "docs" / "models" / f"{card.ID}.md").read_text() == text


@pytest.mark.parametrize("name", card.BLOCKS)
def test_every_block_is_in_the_card_and_filled(name: str, text: str) -> None:
    assert not set(block(text, name)[-1]) <= set("|-"), "a table without rows"


def test_the_card_has_the_accuracies_of_the_manifest(text: str, manifest: dict[str, Any]) -> None:
    cells = {line.split("|")[1].strip(): line for line in block(text, "files")}
    names = {"int8": "int8", "float32": "float32 of the training"}
    measured = [row for row in manifest["accuracy"] if row["precision"] in names]
    assert len(measured) == 4
    for row in measured:
        line = cells[names[row["precision"]]]
        assert f"{row['accuracy']:.4f}" in line
        if not row["flip"]:
            figures = (row["deviation"], row["auc"], row["eer"], *list(row["val"].values())[1:])
            assert all(f"{figure:.4f}" in line for figure in figures)


def test_the_card_has_the_thresholds_and_calibration_of_the_manifest(
    text: str, manifest: dict[str, Any]
) -> None:
    rates = "\n".join(block(text, "rates"))
    for far, distance in manifest["thresholds"]["by_far"].items():
        assert f"| {far} | {distance:.4f} |" in rates
    assert f"{manifest['thresholds']['default']['distance']}:" in block(text, "threshold")[0]
    fitted = manifest["calibration"]
    quoted = re.findall(r"\d+\.\d+", block(text, "probability")[0])
    wanted = [fitted["slope"], fitted["intercept"]]
    assert [float(number) for number in quoted] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("page", ["README.md", "docs/speed.md"])
def test_other_pages_quote_the_same_accuracy(
    page: str, root: Path, manifest: dict[str, Any]
) -> None:
    served = next(
        row for row in manifest["accuracy"] if row["precision"] == "int8" and not row["flip"]
    )
    rows = [line for line in (root / page).read_text().splitlines() if "| bundled " in line]
    assert any(f"| {served['accuracy']:.4f}" in row for row in rows)


def test_figures_are_measured_through_the_products_path(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = "eileen_collins", "eileen_collins_second"
    third = "grace_hopper"
    pairs = [(fold, *pair) for fold in (1, 2) for pair in ((one, other, 1), (one, third, 0))]
    lines = [f"{fold},{left}.jpg,{right}.jpg,{same}" for fold, left, right, same in pairs]
    (tmp_path / "pairs.csv").write_text("\n".join(["fold,image_a,image_b,same", *lines, ""]))
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in (one, other, third):
            archive.write(root / "events" / "pictures" / f"{name}.jpg", f"{name}.jpg")
    nothing = [f"--{name}={tmp_path / 'none'}" for name in ("data", "work")]
    assert card.main(["--check", f"--lfw={tmp_path}", *nothing]) == 1
    changes = capsys.readouterr().out
    assert "+| int8 | 4.86 MB | 1.0000 +- 0.0000 | 1.0000 |" in changes
    assert "+| as it is | 0.000 | 1.0000 | 0.000 | 0.000 |" in changes
    assert all(f"+| {condition} | " in changes for condition in conditions.CONDITIONS)
    assert "+| float32 | 18.75 MB | 1.0000 +- 0.0000 | 1.0000 |" in changes
    assert "+| float32 of the training" not in changes, "no clone has that file"
    assert "median" not in changes, "latencies are this machine's own"
