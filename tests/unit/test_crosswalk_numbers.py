"""The numbers of book/crosswalk.yml that need no corpus, computed again.

What needs the lectures' names is recorded by benchmarks/lectures.py, and other runs of that length
are quoted there with the version they were made with.
"""

import math
from pathlib import Path

import pytest
import torch
import yaml

from zh.autograd import Value

ROWS = {row.get("item") or row.get("exercise") or row.get("erratum"): row
        for lecture in yaml.safe_load((Path(__file__).resolve().parents[2] / "book/crosswalk.yml")
                                      .read_text("utf8")) for row in lecture["rows"]}  # fmt: skip


def says(part: str, *numbers: str) -> None:
    """The row whose text contains `part` says these numbers."""
    row = next(row for text, row in ROWS.items() if part in text)
    told = f"{row.get('got', '')} {row.get('today', '')}"
    for number in numbers:
        assert number in told, f"{number} is not in {told!r}"


def test_the_library_on_one_expression():
    a, b = Value(-4.0), Value(2.0)
    c, d = a + b, a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.backward()
    says("The finished library", f"{g.data:.4f}", f"{a.grad:.4f}", f"{b.grad:.4f}")


def test_how_small_a_step():
    def off(h):
        return abs((3 * (3 + h) ** 2 - 4 * (3 + h) + 5 - 20) / h - 14)

    assert min((off(10.0**-k), k) for k in range(1, 16))[1] == 8
    says("How small a step", f"{off(1e-8):.0e}".replace("e-0", "e-"),
         f"{off(1e-12):.1e}".replace("e-0", "e-"))  # fmt: skip


def test_one_step_along_the_gradient():
    a, b, c, f = Value(2.0), Value(-3.0), Value(10.0), Value(-2.0)
    loss = (a * b + c) * f
    loss.backward()
    for p in (a, b, c, f):
        p.data += 0.01 * p.grad
    again = (a * b + c) * f
    says("One step along", f"{loss.data:.0f}", f"{again.data:.6f}")


def test_the_exercises_of_the_first_lecture():
    gradient = (-3 * 2**2 - 0.5 * 2**-0.5, 3 * math.cos(9) + 2.5 * 3**1.5, 1 / 4**2)
    row = next(r for t, r in ROWS.items() if t.startswith("The gradient of a function of three"))
    told = [float(x) for x in row["got"].partition(" at ")[0].replace("and", "").replace(",", " ")
            .split()]  # fmt: skip
    assert told == pytest.approx(gradient, abs=1e-12)
    logits = torch.tensor([0.0, 3.0, -2.0, 1.0], dtype=torch.float64, requires_grad=True)
    (-logits.softmax(0)[3].log()).backward()
    says("Extend `Value`", *(f"{x:.10f}" for x in logits.grad.tolist()))


def test_a_row_of_three_drawn_with_their_seed():
    g = torch.Generator().manual_seed(2147483647)
    p = torch.rand(3, generator=g)
    says("Sampling with a seeded generator", *(f"{x:.4f}" for x in (p / p.sum()).tolist()))


def test_sizes_of_networks():
    assert (3 * 4 + 4) + (4 * 4 + 4) + (4 + 1) == 41
    says("Neuron, layer", "41")
    assert (2 * 16 + 16) + (16 * 16 + 16) + (16 + 1) == 337
    says("The code of the library", "337")
    assert 27 * 10 + 30 * 200 + 200 + 200 * 27 + 27 == 11897
    says("A larger hidden layer", "11,897")
    uniform = -math.log(1 / 27)
    says("what is the loss of knowing nothing", f"{uniform:.4f}")
    says("The first loss, and one batch", f"{math.log(50257):.2f}")
    says("The bigram model again", f"{math.log(65):.4f}")
