"""Run: python -m pytest tests/runs/test_one_layer.py

What is recorded in `attention` is whole, and is what the code would record today.
"""
import importlib.util
from pathlib import Path

import pytest
import torch

from zh import recorded

FILE = Path(__file__).parents[2] / "benchmarks" / "attention.py"
SPEC = importlib.util.spec_from_file_location("attention_runs", FILE)
runs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(runs)


@pytest.fixture(scope="module")
def record():
    return recorded.load("attention")


def test_every_part_is_there_with_every_seed(record):
    assert list(record["rows"]) == list(runs.PARTS)
    assert record["script"] == "benchmarks/attention.py"
    for name, row in record["rows"].items():
        assert len(row["dev"]) == len(runs.LOOKED_AT.get(name, record["seeds"]))
        assert record["made"][name]["versions"]["torch"]
    for run in (run for name in runs.LOOKED_AT for run in record["rows"][name]["heads"]):
        assert all(len(run[key]) == 4 for key in ("back", "space", "space_usual", "without"))
        assert all(sum(back) <= 1 for back in run["back"])


@pytest.mark.parametrize("part", ["token alone", "one head", "four heads", "rotated", "scale 1"])
def test_rows_are_what_the_code_records_today(record, part):
    """A short run of each kind; the text is that of one version of Python."""
    torch.set_num_threads(1)
    corpus = runs.ids()
    if len(corpus[0]) + len(corpus[1]) != record["text"]["characters"]:
        pytest.skip("another version of Python has another text")
    loss, model = runs.climb(part, 0, corpus, runs.PROBE)
    row = record["rows"][part]
    assert loss == pytest.approx(row["probe"], abs=2e-3)
    assert sum(p.numel() for p in model.parameters()) == row["parameters"]


def test_the_last_mark_before_a_place():
    marks = torch.tensor([[False, True, False, False, True, False]])
    chosen = runs.last(marks)[0]
    want = {2: 1, 3: 1, 5: 4}                # place 0 has none before it, 1 and 4 are marks
    assert {t: s for t, s in chosen.nonzero().tolist()} == want
