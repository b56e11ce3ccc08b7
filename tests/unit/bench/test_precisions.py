"""The benchmark of precisions has a line for every file of every folder."""

import pytest

from bench import precisions
from model_layer.files import BUNDLED


def test_a_model_without_float32_is_compared_with_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["precisions", str(BUNDLED), "--rounds", "1"])

    precisions.main()

    line = next(x for x in capsys.readouterr().out.splitlines() if BUNDLED.name in x)
    assert line.startswith(f"| {BUNDLED.name} | int8 | 1.49 |")
    assert line.endswith("|  |")
