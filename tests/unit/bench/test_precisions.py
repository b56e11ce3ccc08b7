"""The benchmark of precisions says what it needs before it measures."""

import pytest

from bench import precisions
from model_layer.files import BUNDLED


def test_a_folder_without_the_file_to_compare_with_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["precisions", str(BUNDLED), "--rounds", "1"])

    with pytest.raises(SystemExit):
        precisions.main()

    assert "no float32 file" in capsys.readouterr().err
