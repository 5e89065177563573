"""Run: python -m pytest tests/unit/test_exercises_mlp.py

The slips that the exercises of the chapter on the network are likely to meet, and what is said.
"""

import pytest
import torch

from zh import training
from zh.exercises import check
from zh.exercises import mlp as chapter


def naive(logits, y):
    """Overflows with scores around 1000."""
    counts = logits.exp()
    return -(counts / counts.sum(1, keepdim=True))[torch.arange(len(y)), y].log().mean()


def shifted(logits, y):
    """Takes the logarithm of a probability that has rounded to 0."""
    return -torch.softmax(logits, 1)[torch.arange(len(y)), y].log().mean()


@torch.no_grad()
def quiet(model):
    model[2].weight /= 30 ** 0.5
    model[4].weight *= 0.1 / 200 ** 0.5
    model[2].bias.zero_()
    model[4].bias.zero_()


@torch.no_grad()
def only_last(model):
    model[4].weight *= 0.001
    model[4].bias.zero_()


@torch.no_grad()
def bias_left(model):
    quiet(model)
    model[4].bias.normal_(generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def zeros(model):
    quiet(model)
    model[4].weight.zero_()


@torch.no_grad()
def asleep(model):
    quiet(model)
    model[2].weight *= 0.001


@pytest.mark.parametrize(
    "name, answer, words",
    [
        ("embed-by-product", chapter._embed_three_axes, "end to end"),
        ("embed-by-product", chapter._embed_mixed, "different examples stand in one row"),
        ("stable-cross-entropy", naive, "wrong on 6"),
        ("stable-cross-entropy", shifted, "wrong on 2"),
        ("stable-cross-entropy", chapter._summed, "the mean is asked"),
        ("quiet-start", lambda model: None, "still too far apart"),
        ("quiet-start", only_last, "passes hardly any gradient"),
        ("quiet-start", bias_left, "bias included"),
        ("quiet-start", zeros, "make them small"),
        ("quiet-start", asleep, "hardly differ"),
        ("right-schedule", lambda: 0.1, "takes a step"),
        ("right-schedule", lambda step: -0.1, "numbers above 0"),
        ("right-schedule", training.constant(1e9), "blows up"),
        ("direct-connections", chapter._without, "x @ W is missing"),
        ("direct-connections", chapter._inside, "do not pass a tanh"),
        ("mlp-parameters", 6143, "hidden layer has a bias"),
        ("floor-of-eight", 1.0397, "mean over all eight"),
    ],
)
def test_a_slip_is_named(name, answer, words, monkeypatch):
    monkeypatch.delenv("ZH_STATIC_BUILD", raising=False)
    reply = check(name, answer)
    assert not reply and words in reply.text


def test_a_constant_rate_is_told_to_fall(monkeypatch):
    monkeypatch.delenv("ZH_STATIC_BUILD", raising=False)
    monkeypatch.setattr(chapter, "STEPS", 60)
    reply = check("right-schedule", training.constant(0.09))
    assert not reply and "let it fall" in reply.text


def test_a_quiet_start_is_right():
    assert check("quiet-start", quiet)


def test_the_sizes_of_the_direct_network_all_differ():
    for p, X in chapter._direct_inputs():
        sizes = [*X.shape, *p.C.shape, *p.W1.shape]
        assert len(set(sizes)) == len(sizes)
