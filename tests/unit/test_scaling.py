"""Run: python -m pytest tests/unit/test_scaling.py

Fits beside curves whose numbers are known, and a run beside its own count of operations.
"""
import math

import numpy as np
import pytest
import torch

from zh import measuring, recorded, scaling, sizes
from zh.gpt import GPT

BUDGETS = [3e9, 1e10, 3e10, 1e11, 3e11, 1e12]


def rows(losses):
    """{(budget, size): [losses]} as rows of a record."""
    return [{"budget": b, "size": s, "loss": x} for (b, s), xs in losses.items() for x in xs]


@pytest.mark.parametrize("floor, scale, power", [(1.2, 0.9, 0.3), (0.5, 1.7, 0.12), (2, 0.1, 0.8)])
def test_a_fit_finds_the_curve_that_made_the_points(floor, scale, power):
    losses = [floor + scale * (b / scaling.UNIT) ** -power for b in BUDGETS]
    found = scaling.fit(BUDGETS, losses)
    assert (found.floor, found.scale, found.power) == pytest.approx((floor, scale, power), rel=1e-6)
    assert found.error < 1e-9 and found(3e13) == pytest.approx(floor + scale * 3000 ** -power)


def test_no_floor_and_logarithm():
    plain = scaling.fit(BUDGETS, [2 * (b / 1e10) ** -0.05 for b in BUDGETS], "no floor")
    assert (plain.floor, plain.scale, plain.power) == pytest.approx((0, 2, 0.05))
    straight = scaling.fit(BUDGETS, [2 - 0.1 * math.log(b / 1e10) for b in BUDGETS], "logarithm")
    assert (straight.floor, straight.scale) == pytest.approx((2, 0.1))
    assert straight(1e15) == pytest.approx(2 - 0.1 * math.log(1e5))


def test_least_squares_are_numpys():
    """For the power that was chosen: the same line as numpy's lstsq."""
    noise = np.random.default_rng(0).normal(0, 0.02, len(BUDGETS))
    losses = [1 + 0.8 * (b / 1e10) ** -0.3 + e for b, e in zip(BUDGETS, noise, strict=True)]
    found = scaling.fit(BUDGETS, losses)
    basis = np.stack([np.ones(6), (np.array(BUDGETS) / 1e10) ** -found.power], 1)
    (floor, scale), *_ = np.linalg.lstsq(basis, np.array(losses), rcond=None)
    assert (found.floor, found.scale) == pytest.approx((floor, scale), rel=1e-6)
    for power in (found.power - 0.01, found.power + 0.01):    # and no other power is better
        basis[:, 1] = (np.array(BUDGETS) / 1e10) ** -power
        _, (squares,), *_ = np.linalg.lstsq(basis, np.array(losses), rcond=None)
        assert math.sqrt(squares / 6) >= found.error


def test_the_floor_is_not_below_zero():
    found = scaling.fit(BUDGETS, [2 - 0.12 * math.log(b / 3e9) for b in BUDGETS])
    assert found.floor == 0 and found.error > 0


def test_the_best_size_of_each_budget():
    found = scaling.frontier(rows({(2e9, "b"): [2.0, 2.2], (1e9, "a"): [3.0], (2e9, "a"): [2.0]}))
    assert found == {1e9: ("a", 3.0), 2e9: ("a", 2.0)} and list(found) == [1e9, 2e9]
    assert scaling.points(found) == ([1e9, 2e9], [3.0, 2.0])


def test_the_spread_is_pooled():
    given = {(1e9, "a"): [1.0, 1.2], (1e9, "b"): [2.0, 2.0], (2e9, "a"): [5.0]}
    assert scaling.spread(rows(given)) == pytest.approx(math.sqrt(0.02 / 2))
    with pytest.raises(ValueError, match="two seeds"):
        scaling.spread(rows({(1e9, "a"): [1.0]}))


def test_each_budget_has_a_spread_of_its_own_and_refits_use_it():
    given = rows({(1e9, "a"): [3.0, 3.4], (3e9, "a"): [2.5, 2.5], (9e9, "a"): [2.2, 2.2]})
    found = scaling.spreads(given)
    assert list(found) == [1e9, 3e9, 9e9] and found[3e9] == 0
    assert found[1e9] == pytest.approx(math.sqrt(0.08))
    again = scaling.refits(given, "logarithm", times=50)
    widths = [high - low for low, high in (
        scaling.interval([f(b) for f in again]) for b in (1e9, 3e9, 9e9))]
    assert widths[0] > 2 * max(widths[1:])          # the noise is where the seeds differ


def test_refits_cover_the_curve_and_narrow_with_less_noise():
    g = torch.Generator().manual_seed(0)

    def made(noise):
        return rows({(b, "a"): [1 + (b / 1e10) ** -0.3 + noise * torch.randn((), generator=g).item()
                                for _ in range(3)] for b in BUDGETS})

    widths = []
    for noise in (0.05, 0.005):
        again = scaling.refits(made(noise), times=200)
        low, high = scaling.interval([f(3e11) for f in again])
        assert low - noise < 1 + 30 ** -0.3 < high + noise
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    assert scaling.refits(made(0.01), times=3, most=3e11)[0].form == "floor"


def test_an_interval_leaves_out_both_ends():
    assert scaling.interval([float(i) for i in range(101)]) == (5.0, 95.0)


def test_a_budget_is_used_up_and_a_run_is_what_it_says():
    row = scaling.run(2e8, "1 x 8", seed=0)
    c = scaling.config("1 x 8", 97)
    model = GPT(c, generator=torch.Generator())
    x = torch.zeros(scaling.BATCH, scaling.BLOCK, dtype=torch.int64)
    step = measuring.operations(lambda: model.loss(x, x).backward())
    assert step == sizes.operations(c)["training"] * x.numel()
    assert abs(row["steps"] * step - 2e8) <= 0.05 * 2e8          # of another vocabulary, at most
    assert row["tokens"] == row["steps"] * x.numel() and 2 < row["loss"] < 5
    assert scaling.run(2e8, "1 x 8", seed=0)["loss"] == row["loss"]


@pytest.mark.parametrize("call, words", [
    (lambda: scaling.config("9 x 9", 97), "no size '9 x 9'"),
    (lambda: scaling.steps(1e3, scaling.config("1 x 8", 97)), "pays for no step"),
    (lambda: scaling.fit([1e9] * 3, [1.0] * 3, "cubic"), "one of floor"),
    (lambda: scaling.fit([1e9, 2e9], [2.0, 1.0]), "needs 3 of each"),
    (lambda: scaling.fit([1e9, 2e9, 3e9], [2.0, 1.0]), "3 budgets and 2 losses"),
])  # fmt: skip
def test_what_cannot_be_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_record_has_the_grid():
    found = scaling.means(recorded.load("scaling")["curve"])
    sizes_of = {budget: tuple(s for b, s in found if b == budget) for budget, _ in found}
    assert sizes_of == scaling.GRID
    assert all(len(losses) == len(scaling.SEEDS) for losses in found.values())
    assert max(scaling.GRID) >= 100 * min(scaling.GRID)           # two decades
    edges = scaling.means(recorded.load("scaling")["edges"])
    assert set(edges) == set(scaling.EDGES.items())
    assert all(len(losses) == len(scaling.SEEDS) for losses in edges.values())
    beyond, = recorded.load("scaling")["beyond"]
    assert (beyond["budget"], beyond["size"], beyond["seed"]) == scaling.BEYOND


def test_edges_are_beside_the_best_where_it_is_the_first_or_last_of_the_grid():
    order = list(scaling.SIZES)
    wanted = {}
    for budget, (size, _) in scaling.frontier(recorded.load("scaling")["curve"]).items():
        tried = scaling.GRID[budget]
        if size in (tried[0], tried[-1]):
            step = -1 if size == tried[0] else 1
            wanted[budget] = order[order.index(size) + step]
    assert wanted == scaling.EDGES


def test_a_short_run_is_the_recorded_one():
    """The smallest budget again; another version of Python has another text."""
    budget = min(scaling.GRID)
    size = scaling.GRID[budget][-1]
    losses = scaling.means(recorded.load("scaling")["curve"])[budget, size]
    assert scaling.run(budget, size, 0)["loss"] == pytest.approx(losses[0], abs=0.1)
