"""The simulated queue against what can be counted by hand, and against a real run."""

import pytest

from bench.scale.__main__ import duration, main
from bench.scale.simulation import Conditions, simulate

QUIET = {"duplicated": 0.0, "failing": 0.0, "poison": 0.0, "cold": 0.0}


def test_a_full_fleet_takes_the_time_that_its_work_takes() -> None:
    run = simulate(Conditions(10_000, 1, 10, 0.05, ramp=False, **QUIET))
    assert run.done == 10_000
    assert run.finished == pytest.approx(10_000 * 0.05 / 10, rel=0.02)
    assert run.busy == pytest.approx(10_000 * 0.05)
    assert run.invocations == pytest.approx(1000, rel=0.02)
    assert run.longest_wait == pytest.approx(run.finished, rel=0.05)


def test_a_slow_stream_waits_for_nobody() -> None:
    run = simulate(Conditions(1_000, 10_000, 10, 0.05, **QUIET))
    assert run.age == pytest.approx(0.05)
    assert run.cold_starts == 1


def test_poison_is_received_five_times_and_becomes_a_dead_letter() -> None:
    run = simulate(Conditions(100, 1, 10, 0.01, **{**QUIET, "poison": 1.0}, visibility=60))
    assert (run.done, run.dead, run.receipts) == (0, 100, 500)
    assert run.finished > 4 * 60


def test_the_ramp_of_a_queue_holds_a_burst_up() -> None:
    fast = simulate(Conditions(20_000, 1, 1_000, 0.5, ramp=False, **QUIET))
    ramped = simulate(Conditions(20_000, 1, 1_000, 0.5, **QUIET))
    assert ramped.finished > 2 * fast.finished


def test_one_seed_gives_one_run() -> None:
    conditions = Conditions(2_000, 10, 20, 0.05, duplicated=0.1, failing=0.1)
    assert simulate(conditions, 3) == simulate(conditions, 3)
    assert simulate(conditions, 3) != simulate(conditions, 4)


def test_receipts_are_as_many_as_a_real_run_counted() -> None:
    """docs/batch.md, `python -m bench.batch_tally`: 1,000 objects, 1,337 messages, 1,588 receipts.

    251 receipts of 1,588 were of a message that came again, so that share of receipts failed.
    """
    again = 251 / 1588
    conditions = Conditions(
        1_000, 100, 8, 0.1, duplicated=0.337, failing=again, poison=0, visibility=10, receives=25
    )
    runs = [simulate(conditions, seed) for seed in range(10)]
    receipts = sum(run.receipts for run in runs) / len(runs)
    assert receipts == pytest.approx(1588, rel=0.03)
    assert all(run.dead == 0 for run in runs)


def test_the_tables_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bench.scale.__main__.simulate", lambda conditions: simulate(Conditions(100, 1, 2, 0.01))
    )
    main(["--milliseconds", "20"])
    out = capsys.readouterr().out
    assert "10,000,000,000" in out
    assert "S3 Batch Operations" in out
    assert duration(90_000) == "25.0 hours"
