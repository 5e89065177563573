"""Run: python -m pytest tests/unit/test_exercises_activations.py

The exercises of the chapter on activations: their answers by another way, and the slips they name.
"""
import math

import pytest
import torch

from zh import activations, dying
from zh.exercises import activations as chapter
from zh.exercises import check, get


def test_only_one_unit_is_dead_on_the_square():
    g = torch.Generator().manual_seed(0)
    inside = torch.cat([torch.rand(2000, 2, generator=g), chapter.CORNERS])
    for name, (weights, bias) in chapter.UNITS.items():
        z = inside @ torch.tensor(weights)[:, None] + bias
        assert bool(dying.dead(z)) == (name == get("which-is-dead").answer) == (
            chapter.highest(weights, bias) <= 0)


def test_the_killing_step_brings_the_unit_to_zero():
    x, w = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5], requires_grad=True)
    b = torch.tensor(1.0, requires_grad=True)
    z = w @ x + b                                # 3, and dz = 1
    dw, db = torch.autograd.grad(z, (w, b))
    lr = get("killing-step").right()
    after = (w - lr * dw) @ x + b - lr * db
    assert after.item() == pytest.approx(0, abs=1e-6) and z.item() == 3


def test_the_gain_keeps_the_size():
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    f = activations.leaky_relu_with(0.5)
    assert get("gain-of-leaky").right() * f(z).square().mean().sqrt() == pytest.approx(1, abs=5e-3)
    assert get("gain-of-leaky").right() == pytest.approx(math.sqrt(8 / 5))


def test_one_gets_through_as_often_as_random_networks_say():
    lost = dying.born_dead(3, 10, 6000, torch.Generator().manual_seed(1), points=1)
    assert 1 - lost == pytest.approx(get("one-gets-through").right(), abs=0.03)


def test_a_restart_leaves_the_output_alone():
    for weight, out, dead, fresh in chapter._restart_inputs():
        both = chapter._restart(weight, out, dead, fresh)
        new, new_out = both[:len(weight)], both[len(weight):].T
        x = torch.randn(50, len(weight), dtype=torch.float64)
        bias = torch.where(dead, -1e3, 0.0)      # the dead are silent, the fresh start at bias 0
        before = (x @ weight + bias).relu() @ out
        torch.testing.assert_close((x @ new).relu() @ new_out, before)
        assert torch.equal(new[:, dead], fresh[:, dead]) and dead.any()


@pytest.mark.parametrize("name, answer, words", [
    ("slope-from-output", 0.81, "square of the output"),
    ("slope-from-output", 0.1, "one minus the square"),
    ("slope-from-output", 1 - math.tanh(0.9) ** 2, "no further tanh"),
    ("which-is-dead", "w = (3, -1), b = -2", "(1, 0)"),
    ("gain-of-leaky", math.sqrt(2), "passes nothing"),
    ("gain-of-leaky", 1.6, "square of the gain"),
    ("killing-step", 0.6, "the bias moves"),
    ("killing-step", 3, "acts through that input"),
    ("one-gets-through", 0.875, "one layer"),
    ("one-gets-through", 1 - 0.875**10, "does not get through"),
    ("silu-slope", torch.sigmoid, "product rule"),
    ("silu-slope", chapter._silu_no_x, "factor x"),
    ("silu-slope", lambda x: x * torch.sigmoid(x), "function itself"),
    ("find-the-dead", lambda z: (z <= 0).any(0), "as soon as one"),
    ("find-the-dead", lambda z: ~(z > 0).any(1), "axis 0"),
    ("find-the-dead", lambda z: (z > 0).any(0), "living"),
    ("find-the-dead", lambda z: z.mean(0) <= 0, "no death"),
    ("find-the-dead", lambda z: (z < 0).all(0), "exactly 0"),
    ("find-the-dead", lambda z: dying.dead(z).double(), "booleans are asked"),
    ("restart-units", chapter._restart_out, "outgoing"),
    ("restart-units", chapter._restart_living, "living"),
    ("restart-units", chapter._restart_all, "every unit"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_right_answers_by_other_ways():
    def autograd(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad((x * torch.sigmoid(x)).sum(), x)[0]

    assert check("silu-slope", autograd)
    assert check("find-the-dead", lambda z: z.max(0).values <= 0)
    assert check("find-the-dead", lambda z: z.relu().sum(0) == 0)
