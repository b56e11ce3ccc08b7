"""The bundled model's card: blocks are filled in, and it says what the manifest says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model_layer.files import BUNDLED
from training import card

CARD = """\
# a card

<!-- measured: groups -->

| group | faces |
|---|---|
| adults | 4 |

A sentence of the block.

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
    filled = card.fill(CARD, "rates", ["| FAR | accepted |", "| 0.01 | 1 |"])
    assert filled == CARD.replace("| FAR |\n", "| FAR | accepted |\n| 0.01 | 1 |\n")


def test_a_block_that_the_card_lacks_is_named() -> None:
    with pytest.raises(KeyError, match="latency"):
        card.fill(CARD, "latency", [])


def test_without_data_the_card_stays_and_says_why(
    tmp_path: Path, text: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--{name}={tmp_path / name}" for name in ("lfw", "data", "work")]
    assert card.main(["--check", *words]) == 0
    assert capsys.readouterr().err.count("not measured: ") == 2
    assert (root / "docs" / "models" / f"{card.ID}.md").read_text() == text


@pytest.mark.parametrize("name", card.BLOCKS)
def test_every_block_is_in_the_card_and_filled(name: str, text: str) -> None:
    assert not set(block(text, name)[-1]) <= set("|-"), "a table without rows"


def test_the_card_has_the_rates_of_the_manifest(text: str, manifest: dict[str, Any]) -> None:
    rows = block(text, "rates")[2:]
    assert len(rows) == len(manifest["thresholds"]["table"]) > 3
    for row, wanted in zip(rows, manifest["thresholds"]["table"], strict=True):
        assert row.startswith(f"| {wanted['far']:g} |")
        assert f"| {wanted['threshold']:.4f} | {wanted['accepted']:.4f} (" in row


def test_the_card_has_the_accuracy_and_calibration_of_the_manifest(
    text: str, manifest: dict[str, Any]
) -> None:
    rows = block(text, "accuracy")[2:]
    for row, wanted in zip(rows, manifest["accuracy"], strict=True):
        assert f"| {wanted['accuracy']:.4f} +- {wanted['deviation']:.4f} |" in row
    fitted = manifest["calibration"]
    quoted = re.findall(r"\d+\.\d+", block(text, "probability")[0])
    wanted = [fitted["slope"], fitted["intercept"]]
    assert [float(number) for number in quoted] == pytest.approx(wanted, abs=1e-3)


def test_the_default_is_one_stranger_in_ten_thousand(manifest: dict[str, Any]) -> None:
    assert manifest["thresholds"]["default_far"] == 1e-4
