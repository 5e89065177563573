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


@torch.no_grad()
def faint(model):
    quiet(model)
    model[4].weight *= 1e-5


@torch.no_grad()
def one_weight(model):
    quiet(model)
    model[4].weight.zero_()
    model[4].weight[0, 0] = 1e-9


def dot(logits, y):
    return -logits.log_softmax(1)[torch.arange(len(y)), y].mean()


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
        ("quiet-start", one_weight, "most of the last layer's weights are zero"),
        ("quiet-start", faint, "as good as zero"),
        ("quiet-start", lambda model: model[4].weight.mul_(0.01), "torch.no_grad()"),
        ("quiet-start", lambda model: model.foo, "stops with AttributeError"),
        ("embed-by-product", lambda x, C: C[x].view(len(x), -1), "uses x as an index"),
        ("embed-by-product", lambda x, C: C.index_select(0, x.flatten()).view(len(x), -1),
         "uses x as an index"),
        ("stable-cross-entropy", torch.nn.functional.cross_entropy, "calls cross_entropy"),
        ("stable-cross-entropy", dot, "calls log_softmax"),
        ("right-schedule", lambda: 0.1, "takes a step"),
        ("right-schedule", lambda step: -0.1, "finite and 0 or more"),
        ("right-schedule", lambda step: {}[step] if step == 700 else 0.1, "plan(700) stops"),
        ("right-schedule", lambda step: torch.tensor(0.1), ".item()"),
        ("direct-connections", chapter._no_b1, "b1 is missing"),
        ("direct-connections", chapter._no_b2, "b2 is missing"),
        ("floor-of-eight", 0.75, "in bits"),
        ("right-schedule", training.constant(1e9), "blows up"),
        ("direct-connections", chapter._without, "x @ W is missing"),
        ("direct-connections", chapter._inside, "do not pass a tanh"),
        ("mlp-parameters", 6143, "hidden layer has a bias"),
        ("floor-of-eight", 1.0397, "mean over all eight"),
    ],
)
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_a_constant_rate_is_told_to_fall(monkeypatch):
    monkeypatch.setattr(chapter, "STEPS", 60)
    reply = check("right-schedule", training.constant(0.09))
    assert not reply and "let it fall" in reply.text


@pytest.mark.parametrize("plan, right", [
    (training.step_down(0.3, at={2000: 0.1}), True),
    (training.cosine(0.3, 3000), True),
    (training.constant(0.3), False),
])
def test_a_rate_that_falls_is_right_and_a_constant_one_is_not(plan, right):
    assert bool(check("right-schedule", plan)) is right


def test_what_is_asked_is_right():
    def embed(x, C):
        return (torch.eye(len(C), dtype=C.dtype)[x] @ C).reshape(len(x), -1)

    def cross_entropy(logits, y):
        z = logits - logits.max(1, keepdim=True).values
        return (z.exp().sum(1).log() - z[torch.arange(len(y)), y]).mean()

    assert check("embed-by-product", embed)
    assert check("stable-cross-entropy", cross_entropy)


def test_a_quiet_start_is_right():
    assert check("quiet-start", quiet)


def test_the_sizes_of_the_direct_network_all_differ():
    for p, X in chapter._direct_inputs():
        sizes = [*X.shape, *p.C.shape, *p.W1.shape]
        assert len(set(sizes)) == len(sizes)
