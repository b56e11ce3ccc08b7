"""The benchmark of speed says what it needs before it measures."""

from pathlib import Path

import pytest

from bench.speed import __main__ as speed


def test_a_model_without_its_frozen_graph_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["speed", "--real", str(tmp_path), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", words)

    with pytest.raises(SystemExit, match="without --no-frozen-graph"):
        speed.main()
