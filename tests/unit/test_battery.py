"""Run: python -m pytest tests/unit/test_battery.py

The battery itself: every fault of the book's table is in it, it is the same on every run, its
table counts right, and on one seed that no limit was chosen on the faults are named.
"""
import pytest
import torch

from zh import battery
from zh.battery import BROKEN, EVERY, HEALTHY, Patient, Row, Table
from zh.diagnostics import Diagnosis, Finding
from zh.diagnostics.findings import EXPLAINED_BY

SEED = 77                             # neither in TUNING nor in HELD_OUT
KNOWN = {"dead", "unscaled_input", "saturated", "zero_init", "copies", "hot_scores", "too_fast",
         "too_slow", "exploding", "vanishing", "detached", "frozen", "not_updated", "unused",
         "stale_gradient", "uphill", "negative_loss", "batchnorm_eval", "eval_mode",
         "validation_in_training_mode", "nonfinite", "constant_input", "unscaled_target",
         "squashed_scores", "constant"}


def finding(code, where=(), follows=None):
    return Finding(code, "", list(where), "", [], [], 0, follows)


def test_it_is_as_large_as_promised():
    assert len([p for p in BROKEN if p.expected]) >= 20 and len(HEALTHY) >= 10
    assert any(p.blind for p in BROKEN)
    names = [p.name for p in BROKEN + HEALTHY]
    assert len(set(names)) == len(names)
    assert {code for p in BROKEN for code in p.expected} <= KNOWN
    assert set(EXPLAINED_BY) | {c for causes in EXPLAINED_BY.values() for c in causes} <= KNOWN
    assert not set(battery.TUNING) & set(battery.HELD_OUT)


@pytest.mark.parametrize("patient", BROKEN, ids=lambda p: p.name)
def test_a_broken_network_is_named(patient):
    run, _, told = battery.examine(patient, SEED)
    hit, _, also = battery.judge(patient, run, told)
    assert hit, f"found {told.codes} in {run.broken}\n{told}"
    assert not also, told


@pytest.mark.parametrize("patient", HEALTHY, ids=lambda p: p.name)
def test_a_healthy_network_is_met_with_silence(patient):
    _, recorder, told = battery.examine(patient, SEED)
    assert not told.findings, told
    n = len(recorder.losses)
    assert recorder.losses[-1] < recorder.losses[0], "and it does learn"
    assert recorder.records[-1].step == (n - 1) // EVERY * EVERY


def test_shuffled_labels_are_said_to_be_invisible():
    patient = next(p for p in BROKEN if p.name == "shuffled labels")
    _, recorder, told = battery.examine(patient, SEED)
    assert recorder.losses[-1] < 0.8 * recorder.losses[0], "it memorises"
    assert not told.findings and "shuffled" in told.unseen[0] and "shuffled" in str(told)


def test_one_seed_is_one_network():
    patient = BROKEN[0]
    (_, a, _), (_, b, _), (_, c, _) = (battery.examine(patient, s) for s in (3, 3, 4))
    assert a.losses == b.losses != c.losses


def test_it_does_not_touch_the_global_generator():
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    battery.examine(HEALTHY[-3], 0)
    assert torch.equal(torch.rand(3), want)


def test_what_counts_as_a_hit():
    patient = Patient("x", None, ("dead",))
    run = battery.Run(None, None, broken="3")
    judge = battery.judge

    def told(*findings):
        return Diagnosis(list(findings))

    assert judge(patient, run, told(finding("dead", "3"))) == (True, True, [])
    assert judge(patient, run, told(finding("dead", "1"))) == (False, False, []), "elsewhere"
    assert judge(patient, run, told(finding("too_fast"), finding("dead", "3"))) == (
        True, False, ["too_fast"])
    assert judge(patient, run, told(finding("dead", "3"), finding("constant", "3", "dead"))) == (
        True, True, []), "a consequence is no false alarm"
    healthy = Patient("x", None)
    assert judge(healthy, run, told()) == (True, True, [])
    assert judge(healthy, run, told(finding("dead"))) == (False, False, ["dead"])


def test_the_table_adds_up():
    rows = [Row(Patient("a", None, ("dead",)), 4, 3, 2, {"too_fast": 1}, [1]),
            Row(Patient("b", None), 4, 3, 3, {"dead": 1}),
            Row(Patient("c", None, blind=True), 4, 4, 4)]
    table = Table(rows)
    assert (table.hits, table.first, table.broken) == (3, 2, 4)
    assert (table.false_alarms, table.healthy) == (1, 4)
    assert [len(table.part(k)) for k in ("broken", "blind", "healthy")] == [1, 1, 1]
    assert "3 of 4 broken networks named, 2 first; 1 false alarms on 4" in str(table)


def test_running_some_of_it():
    table = battery.run(seeds=[SEED], patients=[BROKEN[0], HEALTHY[0]])
    assert (table.hits, table.broken, table.false_alarms, table.healthy) == (1, 1, 0, 1)
