"""Run: python -m pytest tests/unit/test_clinic.py

Every case of the bug clinic: the broken part differs from the right one in what the case says, the
check of one line tells them apart, and the right part is right by an oracle.
"""
import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from zh import clinic, data, exercises
from zh.clinic import (
    bench,
    case,
    data_cases,
    measuring_cases,
    model_cases,
    training_cases,
)
from zh.clinic.bench import seeded
from zh.diagnostics.findings import Diagnosis, Finding


@pytest.fixture(scope="module")
def patients():
    """Cases by name, each run once."""
    return {}


def admitted(patients, name):
    if name not in patients:
        patients[name] = clinic.admit(name)
    return patients[name]


def test_there_are_cases_of_every_kind():
    kinds = [c.place for c in clinic.CASES.values()]
    assert len(kinds) >= 18
    assert set(kinds) == {"data", "model", "training", "measuring"}
    assert min(kinds.count(kind) for kind in set(kinds)) >= 4


@pytest.mark.parametrize("name", clinic.CASES)
def test_the_check_tells_the_broken_run_from_the_right_one(patients, name):
    patient = admitted(patients, name)
    assert not patient.passes(patient.broken)
    assert patient.passes(patient.fixed)


@pytest.mark.parametrize("name", clinic.CASES)
def test_the_right_run_is_silent_and_finite(patients, name):
    patient = admitted(patients, name)
    assert math.isfinite(patient.fixed.loss)
    assert clinic.healthy(patient).codes == []


@pytest.mark.parametrize("name", clinic.CASES)
def test_both_runs_show_the_same_pictures(patients, name):
    patient = admitted(patients, name)
    for a, b in zip(patient.broken.views, patient.fixed.views, strict=True):
        assert (a.title, list(a.lines)) == (b.title, list(b.lines))
    assert len(patient.broken.views) <= 2


@pytest.mark.parametrize("name", clinic.CASES)
def test_a_case_is_an_exercise_whose_answer_is_one_of_four(name):
    spec = exercises.get(f"clinic-{name}")
    assert len(spec.choices) == 4 and set(spec.why) == set(spec.choices) - {spec.answer}
    assert all(len(words) > 30 for words in spec.why.values())


def test_neither_length_nor_place_gives_the_answer_away():
    """Over all cases: the right choice is the longest, or the shortest, in a third at most, and
    stands at no place in more than half.
    """
    specs = [exercises.get(f"clinic-{name}") for name in clinic.CASES]
    longest = [s.name for s in specs if len(s.answer) == max(map(len, s.choices))]
    shortest = [s.name for s in specs if len(s.answer) == min(map(len, s.choices))]
    assert len(longest) <= len(specs) / 3 and len(shortest) <= len(specs) / 3, (longest, shortest)
    places = [list(s.choices).index(s.answer) for s in specs]
    assert max(places.count(place) for place in range(4)) <= len(specs) / 2


@pytest.mark.parametrize("name", clinic.CASES)
def test_the_fix_changes_a_line_or_adds_one(name):
    fix = case.Fix(clinic.CASES[name].wrong, clinic.CASES[name].right)
    changed = [line for line in fix.lines if line[0] in "+-"]
    assert 1 <= len(changed) <= 6 and any(line[0] == "+" for line in changed)
    assert not any("_broken" in line or '"""' in line for line in fix.lines)


# ---------------------------------------------------------------- the right parts, by an oracle


def test_look_is_pytorchs_causal_attention():
    q, k, v = (torch.randn(2, 3, 5, 4, generator=seeded(i)) for i in range(3))
    ours = model_cases.look(q, k, v)
    assert torch.allclose(ours, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-6)
    open_ = model_cases.look_broken(q, k, v)
    assert torch.allclose(open_, F.scaled_dot_product_attention(q, k, v), atol=1e-6)


def test_normalise_is_layer_norm_with_n_minus_1():
    x = torch.randn(6, 5, generator=seeded(1), dtype=torch.float64)
    theirs = F.layer_norm(x, (5,), eps=0.0) * (4 / 5) ** 0.5
    assert torch.allclose(model_cases.normalise(x), theirs)
    square = torch.randn(5, 5, generator=seeded(2))
    assert not torch.allclose(model_cases.normalise_broken(square), model_cases.normalise(square))


def test_parts_have_the_gradient_of_the_whole_and_broken_ones_eight_times_that():
    X, Y = (rows[:64] for rows in bench.windows())
    for part, factor in ((training_cases.gather, 1), (training_cases.gather_broken, 8)):
        model = bench.mlp(seeded(1))
        part(model, list(zip(X.split(8), Y.split(8), strict=True)))
        whole = torch.autograd.grad(F.cross_entropy(model(X), Y), model[2].weight)[0]
        assert torch.allclose(model[2].weight.grad, factor * whole, atol=1e-5)


def test_a_mean_in_float64_is_fsum():
    terms = np.full(200_000, 2.3, dtype=np.float32)
    exact = math.fsum(terms.tolist()) / len(terms)
    assert measuring_cases.mean_of(terms) == pytest.approx(exact, abs=1e-12)
    assert abs(measuring_cases.mean_of_broken(terms) - exact) > 1e-6


def test_the_loss_without_padding_is_that_of_the_letters():
    x, y, ends = measuring_cases.padded(["ab", "c"])
    assert y[0].tolist()[:4] == [1, 2, 0, 0] and ends[0].tolist()[:4] == [False] * 3 + [True]
    scores = torch.randn(2, y.shape[1], 27, generator=seeded(1))
    by_hand = [-scores[i, t].log_softmax(-1)[y[i, t]] for i, t in
               [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]]
    assert measuring_cases.loss_of(scores, y, ends).item() == pytest.approx(
        torch.stack(by_hand).mean().item(), rel=1e-6)


def test_held_out_in_eval_mode_is_the_librarys():
    from zh.training import evaluate
    X, Y = (rows[:100] for rows in bench.windows("dev"))
    model = bench.mlp(seeded(1), norm=True)
    assert training_cases.held_out(model, X, Y) == pytest.approx(evaluate(model, X, Y), abs=1e-5)


def test_scores_by_hand_are_the_models():
    X, _ = (rows[:20] for rows in bench.windows())
    model = bench.mlp(seeded(1), norm=True).eval()
    assert torch.allclose(measuring_cases.scores(model, X, None), model(X), atol=1e-6)


def test_the_network_gets_the_size_it_says():
    assert len(bench.names()[0]) == 2000 and not set(bench.names()[0]) & set(bench.names()[1])
    model = bench.gpt(seeded(1))
    assert sum(p.numel() for p in model.parameters()) < 10_000


def test_letter_entropy_is_the_best_constant_guess():
    _, Y = bench.windows()
    p = torch.bincount(Y, minlength=27).double() / len(Y)
    theirs = torch.distributions.Categorical(p).entropy().item()
    assert bench.letter_entropy() == pytest.approx(theirs, rel=1e-9)


def test_division_keeps_every_name_once():
    lines = data_cases.lines_with_doubles()
    train, held = data_cases.divide(lines, seeded(1))
    assert sorted(train + held) == sorted(set(lines))
    a, b = data_cases.divide_broken(lines, seeded(1))
    assert sorted(a + b) == sorted(lines) and set(a) & set(b)


def test_numbers_of_letters_are_places_in_the_alphabet():
    X, Y = data_cases.renumber(["ab"], ".bax"[:3], 2)
    assert X.tolist() == [[0, 0], [0, 2], [2, 1]] and Y.tolist() == [2, 1, 0]
    full, _ = data_cases.renumber(["ab"], data.ALPHABET, 2)
    assert torch.equal(full, data.windows(["ab"], 2)[0])


def test_epochs_cover_all_but_a_remainder():
    assert [len(rows) for rows in training_cases.epoch(10, 3)] == [3, 3, 3]
    assert [len(rows) for rows in training_cases.epoch_broken(10, 3)] == [3, 3, 3, 1]


# ---------------------------------------------------------------- the machinery


def a_case(**changes):
    def right(x):
        """Doc."""
        return x + 1

    def right_broken(x):
        return x

    def check(value):
        return value == 2

    def run(part):
        return case.Run(float(part(1)), things={"value": part(1)})

    return case.Case(**(dict(name="a", place="data", bug="b", wrong=right_broken, right=right,
                             run=run, check=check) | changes))


def test_a_fix_shows_both_lines_without_docstring_and_names():
    made = a_case()
    fix = case.Fix(made.wrong, made.right)
    assert str(fix).splitlines() == ["  def right(x):", "-     return x", "+     return x + 1"]
    assert fix.faulty == ["return x"]
    assert fix._repr_markdown_().startswith("```diff\n  def right")


def test_a_check_is_shown_as_it_is_written():
    assert case.one_line(a_case().check) == "value == 2"
    assert case.one_line(training_cases.check_prepared).startswith("{id(p) for g in")

    def no_return(x):
        pass

    with pytest.raises(ValueError, match="returns nothing"):
        case.one_line(no_return)


@pytest.mark.parametrize("wrong, right, sees", [(2.0, 2.0, False), (2.0, 2.05, False),
                                                (2.0, 2.2, True), (2.5, 2.2, True),
                                                (math.nan, 2.0, True)])
def test_the_loss_sees_a_tenth_and_what_is_no_number(wrong, right, sees):
    patient = case.Patient(a_case(run=lambda part: case.Run(wrong if part(1) == 1 else right)))
    assert patient.loss_sees is sees


@pytest.mark.parametrize("found, said", [
    ([], "nothing"),
    ([("other", ["x"], [])], "something else"),
    ([("mine", ["the bug itself", "x"], [])], "first"),
    ([("mine", ["x", "the bug itself"], [])], "among"),
    ([("mine", ["x"], ["mend the bug"])], "among"),
    ([("other", ["x"], []), ("mine", ["the bug itself"], [])], "among"),
    ([("mine", ["x"], ["y"])], "effect"),
    ([("bare", ["the bug itself"], [])], "effect"),
])  # fmt: skip
def test_what_the_diagnostics_say_has_degrees(found, said):
    patient = case.Patient(a_case(named={"mine": "the bug", "bare": ""}))
    findings = [Finding(code, "what", [], "evidence", causes, remedies)
                for code, causes, remedies in found]
    patient.diagnosis = Diagnosis(findings)
    assert patient.diagnostics_say == said


def test_the_left_over_bias_is_a_trained_one():
    b1 = measuring_cases.b1_of_the_cell_above()
    drawn = torch.randn(bench.HIDDEN, generator=seeded(29))
    assert b1.shape == drawn.shape and 0.01 < (b1 - drawn).square().mean().sqrt() < 1


def test_the_late_loss_is_the_last_fifth():
    assert case.late([9.0] * 8 + [1.0, 3.0]) == 2.0
    assert math.isnan(case.late([1.0, math.nan]))


def test_smoothing_keeps_the_mean():
    xs, ys = case.smooth([float(i) for i in range(60)])
    assert len(xs) == 30 and xs[0] == 1.0 and ys[0] == 0.5
    assert sum(ys) / 30 == pytest.approx(29.5)


def test_an_unknown_case_names_a_near_one():
    with pytest.raises(KeyError, match="Near it: restless"):
        clinic.admit("restles")


def test_no_case_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clinic.admit("always-at-the-same-step")
