"""The exercises of the chapter on training dynamics: answers by another way, slips named."""

import math

import pytest
import torch
from torch import nn

from zh import dynamics, training
from zh.diagnostics import Recorder
from zh.exercises import check, get
from zh.exercises import dynamics as chapter


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch):
    monkeypatch.delenv("ZH_STATIC_BUILD", raising=False)


def test_the_ratio_is_what_a_recorder_keeps():
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    before = model.weight.detach().clone()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with Recorder(model) as recorder:
        model(torch.randn(8, 5)).square().mean().backward()
        optimizer.step()
        recorder.step()
    kept = math.log10(recorder.at(0).parameters["weight"].update_to_data)
    assert chapter._ratio(before, model.weight.detach()) == pytest.approx(kept, rel=1e-5)


def test_equal_moves_move_all_by_the_same_share():
    for weights, grads, share in chapter._rates_inputs():
        for w, g, rate in zip(weights, grads, chapter._rates(weights, grads, share), strict=True):
            moved = (rate * g).norm() / w.norm()
            assert moved.item() == pytest.approx(share if g.any() else 0)


def test_a_smaller_last_layer_lifts_its_own_line_and_lowers_the_others():
    x, y = dynamics.spirals(200, torch.Generator().manual_seed(0))
    course = dynamics.side_by_side([dynamics.Setting(last=last) for last in (0.1, 0.01)],
                                   x, y, [2, 30, 30, 3], 1, looks=[0])
    rise = (course.update[0, 1] / course.update[0, 0]).log10()
    torch.testing.assert_close(rise, torch.tensor([-1.0, -1.0, 1.0]), atol=0.05, rtol=0)


def test_layer_two_saturated_leaves_that_print():
    torch.manual_seed(0)
    layers = [nn.Linear(6, 6) for _ in range(5)]
    nn.init.constant_(layers[1].bias, 50)
    h = torch.randn(9, 6)
    for layer in layers[:-1]:
        h = torch.tanh(layer(h))
    layers[-1](h).square().sum().backward()
    assert [bool(layer.weight.grad.any()) for layer in layers] == [False] * 2 + [True] * 3
    assert [bool(layer.bias.grad.any()) for layer in layers] == [False] * 2 + [True] * 3
    assert get("read-the-print").answer == chapter.SATURATED_2


@pytest.mark.parametrize("name, answer, words", [
    ("update-by-hand", -1.699, "times the learning rate"),
    ("update-by-hand", 0.002, "power of ten"),
    ("update-by-hand", math.log(0.002), "natural"),
    ("update-by-hand", -3.39794, "over the"),
    ("update-by-hand", 2.69897, "negative"),
    ("shrunk-output", "All lines fall by 1", "denominator"),
    ("shrunk-output", "Its own line rises by 1, the others stay", "pass through it"),
    ("read-the-print", "Layer 2: dead ReLU units", "multiply zeros"),
    ("read-the-print", "The inputs are all zero", "first biases"),
    ("how-deep", 48.3, "hundredfold"),
    ("how-deep", 6.9078, "logarithm of the factor"),
    ("how-deep", 909.09, "multiply"),
    ("update-ratio", chapter._ratio_after, "before it"),
    ("update-ratio", chapter._ratio_plain, "power of ten"),
    ("update-ratio", chapter._ratio_natural, "natural"),
    ("update-ratio", chapter._ratio_sizes, "size of the change"),
    ("update-ratio", chapter._ratio_mean, "near 0"),
    ("update-ratio", chapter._ratio_centred, "standard deviation"),
    ("update-ratio", chapter._ratio_centred_all, "standard deviation"),
    ("stuck-units", chapter._stuck_values, "share of values"),
    ("stuck-units", chapter._stuck_examples, "axis 0"),
    ("stuck-units", chapter._stuck_one_side, "Minus one"),
    ("stuck-units", chapter._stuck_mean, "from one rail"),
    ("stuck-units", chapter._stuck_any, "still move it"),
    ("warm-cosine", chapter._rate_from_zero, "wastes"),
    ("warm-cosine", chapter._rate_whole, "from there"),
    ("warm-cosine", chapter._rate_line, "straight"),
    ("warm-cosine", chapter._rate_full_turn, "back up"),
    ("warm-cosine", chapter._rate_quarter, "quarter"),
    ("equal-moves", chapter._rates_upside_down, "Upside down"),
    ("equal-moves", lambda weights, grads, share: torch.stack(
        [share * w.norm() / g.norm() for w, g in zip(weights, grads, strict=True)]), "infinite"),
    ("equal-moves", chapter._rates_no_size, "same length"),
    ("equal-moves", chapter._rates_squared, "squares"),
])  # fmt: skip
def test_a_slip_is_named(name, answer, words):
    reply = check(name, answer)
    assert not reply and words in reply.text, reply.text


@pytest.mark.parametrize("limit", [0.9, 0.96, 0.99])
def test_another_limit_is_not_the_asked_one(limit):
    assert not check("stuck-units", lambda h: (h.abs() > limit).all(0).double().mean().item())


def test_right_answers_by_other_ways():
    assert check("update-ratio", lambda a, b: math.log10((b - a).norm() / a.norm()))
    assert check("stuck-units", lambda h: (h.abs().min(0).values > 0.97).double().mean())
    assert check("warm-cosine", lambda step, peak, steps, warmup: training.cosine(
        peak, steps, warmup)(step))
    assert check("how-deep", 72.48)
