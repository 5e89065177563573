"""Run: python -m pytest tests/runs/test_battery.py

The battery itself: every fault of the book's table is in it, it is the same on every run, and its
table counts right. One seed, on which no limit was chosen, is examined in full.
"""
import pytest
import torch

from zh import battery
from zh.battery import BROKEN, EVERY, HEALTHY, Patient, Row, Table
from zh.diagnostics import Diagnosis, Finding
from zh.diagnostics.findings import EXPLAINED_BY

pytestmark = pytest.mark.xdist_group("battery")  # its fixture is made once
SEED = 77                             # neither in TUNING nor in HELD_OUT
# how badly these are broken is drawn from the seed, down to where it hardly matters
FAINT = ("dead ReLU layer, by its bias", "dead ReLU layer, a function",
         "dead channels of a convolution", "ReLU killed by the learning rate",
         "inputs far from zero", "tanh saturated by its bias", "tanh saturated by its weights",
         "hot logits", "learning rate too high, SGD", "learning rate too high, Adam",
         "learning rate too low, SGD", "learning rate too low, Adam", "exploding, ReLU",
         "exploding gradient, tanh", "vanishing, tanh", "vanishing, ReLU", "vanishing, sigmoid",
         "residual row without normalisation", "features of uneven scale",
         "targets in raw units", "overflow by the learning rate")
KNOWN = {"dead", "unscaled_input", "saturated", "zero_init", "copies", "hot_scores", "too_fast",
         "too_slow", "exploding", "vanishing", "detached", "frozen", "not_updated", "unused",
         "stale_gradient", "uphill", "negative_loss", "batchnorm_eval", "eval_mode",
         "validation_in_training_mode", "nonfinite", "constant_input", "unscaled_target",
         "squashed_scores", "constant", "bottleneck"}


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


@pytest.fixture(scope="module")
def examined():
    """{name: (run, recorder, diagnosis)} of every patient, once."""
    return {p.name: battery.examine(p, SEED) for p in BROKEN + HEALTHY}


@pytest.mark.parametrize("patient", [p for p in BROKEN if p.name not in FAINT],
                         ids=lambda p: p.name)
def test_a_fault_that_has_no_degrees_is_always_named(patient, examined):
    run, _, told = examined[patient.name]
    hit, _, also = battery.judge(patient, run, told)
    assert hit, f"found {told.codes}, broken is {run.broken}\n{told}"
    assert not also, told


def test_most_of_the_others_are_named(examined):
    patients = [p for p in BROKEN if p.name in FAINT]
    assert len(patients) == len(FAINT)
    told = [battery.judge(p, examined[p.name][0], examined[p.name][2]) for p in patients]
    assert sum(hit for hit, _, _ in told) >= 0.8 * len(told)


@pytest.mark.parametrize("patient", HEALTHY, ids=lambda p: p.name)
def test_a_healthy_network_is_met_with_silence(patient, examined):
    _, recorder, told = examined[patient.name]
    assert not told.findings, told
    n = len(recorder.losses)
    assert recorder.losses[-1] < recorder.losses[0], "and it does learn"
    assert recorder.records[-1].step == (n - 1) // EVERY * EVERY


def test_shuffled_labels_are_said_to_be_invisible(examined):
    _, recorder, told = examined["shuffled labels"]
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
