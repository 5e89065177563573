"""Run: python -m pytest tests/runs/test_sweeps.py

What is recorded in `sweeps` and `mlp_step` is whole, and is what the code would record today.
"""
import importlib.util
import json
import statistics
from pathlib import Path

import pytest

from zh import ladder, recorded

FILE = Path(__file__).parents[2] / "benchmarks" / "sweeps.py"
SPEC = importlib.util.spec_from_file_location("sweeps", FILE)
sweeps = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sweeps)


@pytest.fixture(scope="module")
def record():
    return recorded.load("sweeps")


@pytest.mark.parametrize("sweep", sweeps.SWEEPS)
def test_every_row_is_there_once(record, sweep):
    wanted = [key for key, _, _ in sweeps.SWEEPS[sweep]()]
    assert len(record[sweep]) == len(wanted)
    for row, key in zip(record[sweep], wanted, strict=True):
        assert key.items() <= row.items()
        seeds = 1 if row.get("model") == "n-gram" else len(sweeps.SEEDS)
        assert all(len(row[part]) == seeds for part in ("train", "dev", "test", "seconds"))


@pytest.mark.parametrize("sweep, key", [
    ("context", {"model": "MLP", "block": 2}),
    ("width", {"dim": 2, "hidden": 200}), ("steps", {"model": "MLP + batchnorm", "steps": 2500})])
def test_rows_are_what_the_code_records_today(record, sweep, key):
    """A short run, the learning rate and the steps, of one row of each kind."""
    row = next(row for row in record[sweep] if key.items() <= row.items())
    rung, number = next((rung, number) for k, rung, number in sweeps.SWEEPS[sweep]() if k == key)
    assert sweeps.holds(row, rung, number, ladder.windows(rung.block))


def test_every_width_stands_at_its_best_rate_with_worse_ones_on_both_sides(record):
    for row in record["width"]:
        tried = {float(rate): statistics.fmean(dev) for rate, dev in row["tried"].items()}
        assert min(tried, key=tried.get) == row["lr"]
        assert row["tried"][str(row["lr"])] == row["dev"]
        assert min(tried) < row["lr"] < max(tried), (row["dim"], row["hidden"])


def test_a_row_with_other_settings_does_not_hold(record):
    row = record["steps"][0]
    key, rung, number = next(sweeps.steps())
    parts = ladder.windows(rung.block)
    assert sweeps.holds(row, rung, number, parts)
    assert not sweeps.holds(row, rung._replace(lr=0.1), number, parts)
    assert not sweeps.holds(row, rung, number + 1, parts)
    assert not sweeps.holds({**row, "probe": row["probe"] + 0.001}, rung, number, parts)


def test_a_run_that_is_stopped_loses_no_row(record, monkeypatch):
    now = json.loads(json.dumps(record))
    monkeypatch.setattr(recorded, "load", lambda name, default=None: now)
    monkeypatch.setattr(recorded, "save", lambda name, result: now.update(result))
    row = {**record["context"][3], "dev": [1.0]}
    sweeps.keep("context", {"model": "n-gram", "block": 4}, row)
    assert now["context"] == [*record["context"][:3], row, *record["context"][4:]]
    assert now["steps"] == record["steps"] and now["width"] == record["width"]


def test_the_step_is_one_and_a_half_times_as_fast_with_the_same_losses():
    step = recorded.load("mlp_step")
    assert step["ratio"] == pytest.approx(step["lecture"] / step["zh"], rel=0.1)
    assert step["ratio"] > 1.5
    assert step["ratios"][0] <= step["ratio"] <= step["ratios"][1]
    assert step["apart"]["all"] < 1e-5
