"""Run: python -m pytest tests/unit/test_exercises_gpt.py

The slips that the exercises of the chapter on GPT are likely to meet, and what is said of them.
"""
import math

import pytest
import torch
import torch.nn.functional as F

from zh import sampling
from zh.attention import causal
from zh.exercises import check, get
from zh.exercises import gpt as chapter
from zh.gpt import GPT, GPTConfig


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("sizes", [dict(vocab=11, block=8, layers=2, dim=12),
                                   dict(vocab=65, block=256, layers=1, dim=48)])
def test_the_count_is_that_of_a_model(sizes, tied):
    model = GPT(GPTConfig(**sizes, heads=4, tie=tied), generator=torch.Generator())
    assert chapter.parameters(**sizes, tied=tied) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", ["gpt-parameters", "first-loss-of-gpt2", "top-p-by-hand"])
def test_every_mistake_is_another_number(name):
    spec = get(name)
    values = [spec.right(), *(v() if callable(v) else v for v, _ in spec.mistakes)]
    assert len({round(value, 6) for value in values}) == len(values)


def test_heads_of_pytorch_are_a_right_answer():
    def heads(x, query, key, value):
        q, k, v = (torch.einsum("btc,hcs->bhts", x, w) for w in (query, key, value))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)

    assert check("heads-at-once", heads)


def test_pairs_from_windows_are_a_right_answer():
    def pairs(ids, block):
        rows = ids.unfold(0, block + 1, block)
        return rows[:, :-1], rows[:, 1:]

    assert check("next-targets", pairs)


def test_top_p_is_what_the_sampler_gives():
    p = sampling.probabilities(torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log(), top_p=0.8)
    assert get("top-p-by-hand").right() == pytest.approx(p[0].item(), rel=1e-6)


def test_the_scores_of_a_cache_have_the_shape_that_is_asked():
    assert tuple(causal(3, 13).shape) == (3, 13) and causal(3, 13)[0].sum() == 11


def test_three_targets_of_a_sum_count():
    x, y = chapter._example(12, 34)
    text = "".join(chapter.SIGNS[i] for i in x)
    assert text == "12+34=64" and y.tolist() == [-1] * 5 + [6, 4, 0]


@pytest.mark.parametrize("name, answer, words", [
    ("first-loss-of-gpt2", math.log2(50257), "in bits"),
    ("first-loss-of-gpt2", 4.7, "base 10"),
    ("gpt-parameters", 10_770_816 + 65 * 384, "of its own for the scores"),
    ("gpt-parameters", 10_770_816 - 256 * 384, "table of places"),
    ("gpt-parameters", 10_770_816 - 2 * 384, "behind the last block"),
    ("cache-scores", "(2, 4, 13, 13)", "without a cache"),
    ("cache-scores", (2, 4, 3, 10), "sees itself too"),
    ("top-p-by-hand", 0.571, "does not reach"),
    ("top-p-by-hand", 0.5, "not 0.8"),
    ("top-p-by-hand", 0.421, "Three reach"),
    ("next-targets", chapter._pairs_copied, "targets are the inputs"),
    ("next-targets", chapter._pairs_backwards, "exchanged"),
    ("next-targets", chapter._pairs_rolled, "own first input"),
    ("next-targets", chapter._pairs_two_on, "two places on"),
    ("next-targets", chapter._pairs_cut, "one piece more"),
    ("heads-at-once", chapter._heads_open, "causal mask is missing"),
    ("heads-at-once", chapter._heads_by_width, "width of x"),
    ("heads-at-once", chapter._heads_unscaled, "not divided"),
    ("heads-at-once", chapter._heads_mixed, "wrong places"),
    ("heads-at-once", chapter._heads_interleaved, "interleaved"),
    ("heads-at-once", chapter._heads_other_axis, "over the queries"),
    ("sum-as-text", chapter._example_forward, "first to last"),
    ("sum-as-text", chapter._example_unmasked, "does not count"),
    ("sum-as-text", chapter._example_hides_more, "first digit of the sum"),
    ("sum-as-text", chapter._example_hides_less, "The = has a target"),
    ("sum-as-text", chapter._example_unshifted, "no input"),
    ("gpt-that-adds", lambda pairs: [a + b - (i % 10 == 0) for i, (a, b) in enumerate(pairs)],
     "90 of 100"),
    ("gpt-that-adds", lambda pairs: [int(f"{a + b:03}"[::-1]) for a, b in pairs],
     "wrong way round"),
    ("gpt-that-adds", lambda pairs: [a + b for a, b in pairs[1:]], "99 sums"),
    ("gpt-that-adds", lambda pairs: 1 / 0, "ZeroDivisionError"),
    ("gpt-that-adds", 12, "function is asked"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


@pytest.mark.parametrize("name, answer", [
    ("gpt-parameters", "10,770,816"), ("cache-scores", torch.Size([2, 4, 3, 13])),
    ("top-p-by-hand", 0.47), ("first-loss-of-gpt2", 10.82),
    ("gpt-that-adds", lambda pairs: [a + b for a, b in pairs]),
    ("gpt-that-adds", lambda pairs: torch.tensor(pairs).sum(1).tolist()),
])  # fmt: skip
def test_what_is_right_is_taken(name, answer):
    assert check(name, answer)
