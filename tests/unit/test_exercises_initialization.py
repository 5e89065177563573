"""Run: python -m pytest tests/unit/test_exercises_initialization.py

The slips that the exercises of the chapter on initialisation are likely to meet, and what is said
of them.
"""

import math

import pytest
import torch

from zh import init
from zh.exercises import check, get


def leaky(fan_in, fan_out, slope, generator):
    std = (2 / (1 + slope**2) / fan_in) ** 0.5
    return std * torch.randn(fan_in, fan_out, generator=generator)


def walked(gain, layers=2000, answer=lambda q, gain: q):
    z = torch.linspace(-8, 8, 801, dtype=torch.float64)
    p = torch.exp(-(z**2) / 2)
    p, q = p / p.sum(), torch.tensor(1.0, dtype=torch.float64)
    for _ in range(layers):
        q = gain**2 * (p * torch.tanh(q.sqrt() * z) ** 2).sum()
    return answer(q.item(), gain) if q > 1e-3 else 0.0


def rescued(weights, x):
    out, h = [], x
    for w in weights:
        out.append(w / (h @ w).std())
        h = torch.tanh(h @ out[-1])
    return out


def test_the_numbers_are_those_of_the_package():
    g = torch.Generator().manual_seed(0)
    extra = init.first_loss(0.4, 65, generator=g) - math.log(65)
    assert get("small-scores").right() == pytest.approx(extra, rel=0.05)
    w = init.fill(torch.empty(96, 64, 3, 3), "kaiming", generator=g, layout="torch")
    assert get("kernel-fan").right() == pytest.approx(w.std().item(), rel=0.01)
    x = 3 + 4 * torch.randn(4000, 64, generator=g)
    z = x @ (0.05 * torch.randn(64, 4000, generator=g))
    assert get("spread-of-a-sum").right() == pytest.approx(z.std().item(), rel=0.03)


def test_two_groups_stay_two():
    """By training such a layer: the two groups part, and the members of none."""
    g = torch.Generator().manual_seed(0)
    x = torch.rand(200, 2, generator=g) * 2 - 1
    y = (x.prod(1) > 0).float()
    W, b, c = torch.full((2, 16), 0.5), torch.zeros(16), torch.zeros(())
    V = torch.tensor([0.5] * 8 + [-0.3] * 8)
    p = [t.requires_grad_() for t in (W, b, V, c)]
    for _ in range(500):
        out = torch.tanh(x @ W + b) @ V + c
        loss = torch.nn.functional.binary_cross_entropy_with_logits(out, y)
        for t, grad in zip(p, torch.autograd.grad(loss, p), strict=True):
            t.data -= 0.5 * grad
    units = torch.cat([W, b[None], V[None]]).detach()
    assert (units[:, :8] - units[:, :1]).abs().max() < 1e-4
    assert (units[:, 8:] - units[:, 8:9]).abs().max() < 1e-4
    assert (W[:, 0] - W[:, 8]).abs().max() > 0.01
    assert get("two-groups").right() == 2


@pytest.mark.parametrize("name", ["small-scores", "spread-of-a-sum", "kernel-fan", "two-groups"])
def test_every_mistake_is_another_number(name):
    spec = get(name)
    values = [spec.right()] + [v() if callable(v) else v for v, _ in spec.mistakes]
    for i, a in enumerate(values):
        for b in values[:i]:
            assert abs(a - b) > spec.tolerance * abs(a), (name, a, b)


def test_right_functions_are_right():
    assert check("leaky-weights", leaky)
    assert check("leaky-weights", lambda i, o, slope, g: init.draw(
        2 / (1 + slope**2) / i, i, o, generator=g, kind="uniform"))  # fmt: skip
    assert check("where-it-settles", walked)
    assert check("where-it-settles", lambda gain: init.fixed_point("tanh", gain))
    assert check("rescue", rescued)


def pair(std):
    return lambda i, o, a, g: std(i, o, a) * torch.randn(i, o, generator=g)


def unseeded(i, o, a, g):
    return leaky(i, o, a, None)


def same_for_all(i, o, a, g):
    return leaky(i, 1, a, g).repeat(1, o)


@pytest.mark.parametrize("name, answer, words", [
    ("leaky-weights", lambda i, o, a, g: leaky(o, i, a, g), "(300, 500)"),
    ("leaky-weights", pair(lambda i, o, a: (2 / (1 + a**2) / o) ** 0.5), "fan-out"),
    ("leaky-weights", pair(lambda i, o, a: (4 / (1 + a**2) / (i + o)) ** 0.5), "mean of both"),
    ("leaky-weights", pair(lambda i, o, a: (1 / i) ** 0.5), "gain is missing"),
    ("leaky-weights", pair(lambda i, o, a: (2 / i) ** 0.5), "on the left"),
    ("leaky-weights", pair(lambda i, o, a: (2 / (1 + a) / i) ** 0.5), "squared"),
    ("leaky-weights", pair(lambda i, o, a: 2 / (1 + a**2) / i), "variance"),
    ("leaky-weights", unseeded, "hand the generator"),
    ("leaky-weights", same_for_all, "same weights"),
    ("leaky-weights", lambda i, o, a, g: leaky(i, o, a, g) + 1, "mean zero"),
    ("leaky-weights", lambda i, o, a, g: 3, "int"),
    ("where-it-settles", lambda gain: walked(gain, answer=lambda q, g: q**0.5), "deviation"),
    ("where-it-settles", lambda gain: walked(gain, answer=lambda q, g: q / g**2), "mean square"),
    ("where-it-settles", lambda gain: walked(gain, answer=lambda q, g: q**0.5 / g), "the size"),
    ("where-it-settles", lambda gain: walked(gain**0.5), "square of the gain"),
    ("where-it-settles", lambda gain: walked(gain, 1), "one layer"),
    ("where-it-settles", lambda gain: walked(max(gain, 1.2)), "1.1"),
    ("where-it-settles", lambda gain: walked(gain) or 0.5, "dies out"),
    ("where-it-settles", lambda gain: math.nan, "nan"),
    ("where-it-settles", lambda gain: 40.0, "length map"),
    ("rescue", lambda ws, x: [w / (x @ w).std() for w in ws], "not on what reaches it"),
    ("rescue", lambda ws, x: [w / w.std() / 8 for w in ws], "standard deviation"),
    ("rescue", lambda ws, x: [torch.eye(64) for w in ws], "times a number"),
    ("rescue", lambda ws, x: rescued(ws, x)[:-1], "came back"),
    ("leaky-weights", lambda i, o, a, g: leaky(i, o, a, g) * math.nan, "finite"),
    ("leaky-weights", lambda i, o, a, g: torch.ones(i, o, dtype=torch.long), "int64"),
    ("leaky-weights", lambda i, o, a: leaky(i, o, a, None), "raises TypeError"),
    ("where-it-settles", lambda gain: None, "NoneType"),
    ("where-it-settles", lambda gain: "1.2", "one number; it is a str"),
    ("where-it-settles", lambda gain: torch.ones(2), "of many"),
    ("where-it-settles", lambda gain: 1 / 0, "raises ZeroDivisionError"),
    ("rescue", lambda ws, x: None, "a NoneType came back"),
    ("rescue", lambda ws, x: [None] * len(ws), "with a NoneType in it"),
    ("rescue", lambda ws, x: [w * math.nan for w in ws], "not finite"),
    ("rescue", lambda ws: ws, "raises TypeError"),
    ("small-scores", 0.16, "half of it"),
    ("spread-of-a-sum", 1.6, "mean square"),
    ("kernel-fan", (2 / 64) ** 0.5, "kernel is missing"),
    ("which-zeros", "the last weights zero, the other two random", "at once"),
    ("which-zeros", "b", "not zero"),
    ("which-zeros", "all of them", "none of the choices"),
    ("two-groups", 16, "equal gradients"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_rescue_must_not_change_what_it_was_given():
    def in_place(weights, x):
        h = x
        for w in weights:
            w /= (h @ w).std()
            h = torch.tanh(h @ w)
        return weights

    assert "were changed" in check("rescue", in_place).text
