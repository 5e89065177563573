"""Run: python -m pytest tests/unit/test_exercises_scaling.py

The slips that the exercises of the chapter on scaling are likely to meet, and what is said of them.
"""
import pytest
import torch

from zh import sizes
from zh.exercises import check, get
from zh.exercises import scaling as chapter
from zh.gpt import GPT, GPTConfig

XL = GPTConfig(layers=48, heads=25, dim=1600)


@pytest.mark.parametrize("name", ["operations-of-gpt2", "bytes-of-xl", "cache-of-xl",
                                  "bf16-neighbour", "compute-optimal"])
def test_every_mistake_is_another_number(name):
    spec = get(name)
    values = [spec.right(), *(v() if callable(v) else v for v, _ in spec.mistakes)]
    for i, value in enumerate(values):
        assert all(abs(value - other) > spec.tolerance * abs(value) for other in values[:i])


def test_the_answers_are_those_of_the_counts():
    memory = sizes.memory(XL, 1)
    rest = memory["all"] - memory["activations"]
    assert get("bytes-of-xl").right() * 1e9 == pytest.approx(rest, rel=1e-5)
    assert get("cache-of-xl").right() * 1e6 == sizes.cache(XL, dtype="bf16")
    assert get("operations-of-gpt2").right() == sizes.rules(GPTConfig())["6N"]
    assert sizes.operations(GPTConfig())["training"] / sizes.rules(GPTConfig())["6N"] == (
        pytest.approx(1.14, abs=0.005))
    assert get("bf16-neighbour").right() == 1 + torch.finfo(torch.bfloat16).eps


def test_joined_gradients_are_those_of_the_whole():
    """The reference beside autograd: a model, a minibatch, and its pieces."""
    model = GPT(GPTConfig(7, 4, 1, 1, 8, std=0.2), generator=torch.Generator().manual_seed(1))
    model.double()
    x, y = torch.randint(7, (2, 5, 4), generator=torch.Generator().manual_seed(2))
    y[0, 1:] = -1

    def gradient(a, b):
        return torch.autograd.grad(model.loss(a, b), model.head.weight)[0]

    pieces = [gradient(a, b) for a, b in zip(x.split(1), y.split(1), strict=True)]
    counts = (y >= 0).sum(1).tolist()
    torch.testing.assert_close(chapter._joined(pieces, counts), gradient(x, y))


@pytest.mark.parametrize("name, answer, words", [
    ("operations-of-gpt2", 2 * 124_439_808, "way back costs twice"),
    ("operations-of-gpt2", 4 * 124_439_808, "That is the way back"),
    ("bytes-of-xl", 12 * 1.5576, "AdamW keeps two"),
    ("bytes-of-xl", 23.21, "GiB"),
    ("cache-of-xl", 157.3, "Keys and values"),
    ("cache-of-xl", 629.1, "two bytes"),
    ("bf16-neighbour", 1 + 2 ** -8, "half-way"),
    ("bf16-neighbour", 1 + 2 ** -10, "float16"),
    ("compute-optimal", 1.826e9, "number of tokens"),
    ("compute-optimal", 4.08e8, "There are 20"),
    ("join-gradients", chapter._joined_mean, "mean of means"),
    ("join-gradients", chapter._joined_sum, "too long"),
    ("join-gradients", chapter._joined_weighted, "Divide"),
    ("join-gradients", chapter._joined_twice, "Too short"),
    ("join-gradients", chapter._joined_last, "last piece alone"),
    ("fit-with-floor", chapter._floor_fit_sign, "power is negative"),
    ("fit-with-floor", chapter._floor_fit_none, "floor is 0"),
    ("fit-with-floor", chapter._floor_fit_exchanged, "comes first"),
    ("fit-with-floor", chapter._floor_fit_logs, "no floor"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


@pytest.mark.parametrize("name, answer", [
    ("operations-of-gpt2", "7.47e8"), ("bytes-of-xl", 24.9), ("cache-of-xl", "314.6"),
    ("bf16-neighbour", "129/128"), ("compute-optimal", "91,287,093"),
])  # fmt: skip
def test_what_is_right_is_taken(name, answer):
    assert check(name, answer)
