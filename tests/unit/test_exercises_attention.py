"""Run: python -m pytest tests/unit/test_exercises_attention.py

The slips that the exercises of the chapter on attention are likely to meet, and what is said.
"""
from functools import partial

import pytest
import torch
from torch import nn

from zh.attention import MultiHead, attention, causal, padding
from zh.exercises import attention as chapter
from zh.exercises import check, get


@pytest.mark.parametrize("dim, heads", [(96, 6), (16, 1), (24, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_count_is_that_of_a_layer(dim, heads, bias):
    layer = MultiHead(dim, heads, bias=bias, generator=torch.Generator())
    assert chapter.parameters(dim, bias) == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("name", ["allowed-pairs", "spread-of-scores", "attention-parameters"])
def test_every_mistake_of_a_number_is_another_number(name):
    spec = get(name)
    values = [spec.right(), *(v() if callable(v) else v for v, _ in spec.mistakes)]
    assert len(set(values)) == len(values)


def test_the_spread_is_measured():
    g = torch.Generator().manual_seed(0)
    q = 2 * torch.randn(20_000, 36, generator=g)
    k = torch.randn(20_000, 36, generator=g)
    assert (q * k).sum(-1).std().item() == pytest.approx(get("spread-of-scores").right(), rel=0.03)


def test_the_masks_of_the_choice_have_the_shapes_that_are_meant():
    """Two of the wrong choices do not even fit: S keys, and more queries than keys."""
    T, S = 7, 5
    assert padding(torch.tensor([5, 2]), S).shape == (2, 1, S)
    with pytest.raises(ValueError):
        causal(T, S)
    assert (causal(T) & padding(torch.tensor([7, 3]), T)).shape == (2, T, T)


def test_the_layers_that_leak_are_those_whose_gradient_says_so():
    """The reference changes inputs; a slope says the same."""
    for layer, x in chapter._layers():
        x = x.clone().requires_grad_()
        out, leaks = layer(x), False
        for t in range(x.shape[1] - 1):
            (slope,) = torch.autograd.grad(out[:, t].sum(), x, retain_graph=True)
            leaks |= bool((slope[:, t + 1:].abs() > 1e-12).any())
        assert leaks == chapter._sees(layer, x.detach())
    assert {chapter._sees(*args) for args in chapter._layers()} == {True, False}


def test_other_right_answers():
    assert check("window-mask", lambda T, width: causal(T) & ~causal(T).tril(-width))
    assert check("sees-ahead", lambda layer, x: bool(
        (layer(x[:, :3]) - layer(x)[:, :3]).abs().max() > 1e-6))
    assert check("streamed-attention", lambda q, k, v, size: attention(q, k, v)[0])

    def careful(scores, mask):
        e = (scores - scores.max()).exp() * mask
        return e / e.sum(-1, keepdim=True).clamp_min(1e-300)

    assert check("softmax-where-allowed", careful)
    assert check("mask-for-cross", "c")


def test_the_kernel_of_pytorch_is_the_reference_of_the_blind_row():
    for scores, mask in chapter._allowed_inputs():
        S = scores.shape[-1]
        q = torch.eye(scores.shape[-2], dtype=scores.dtype).expand(*scores.shape[:-1], -1)
        want = nn.functional.scaled_dot_product_attention(
            q, scores.transpose(-2, -1), torch.eye(S, dtype=scores.dtype).expand(
                *scores.shape[:-2], S, S), mask, scale=1.0)
        torch.testing.assert_close(chapter._allowed(scores, mask), want)


@pytest.mark.parametrize("name, answer, words", [
    ("allowed-pairs", 4096, "every cell"),
    ("allowed-pairs", 2016, "the diagonal counts"),
    ("spread-of-scores", 144, "variance"),
    ("spread-of-scores", 6, "two variances of 1"),
    ("attention-parameters", 36864, "have a bias"),
    ("attention-parameters", 27936, "last matrix"),
    ("attention-parameters", chapter.parameters(16), "one head by itself"),
    ("mask-for-cross", "causal(T, S)", "all there from the start"),
    ("mask-for-cross", "none at all", "different lengths"),
    ("window-mask", chapter._window_one, "one place too many"),
    ("window-mask", partial(chapter._window_one, more=-1), "one place too few"),
    ("window-mask", chapter._window_no_future_check, "looks ahead"),
    ("window-mask", chapter._window_turned, "other way round"),
    ("window-mask", chapter._window_not, "where it may not"),
    ("window-mask", lambda T, width: chapter._window(T, width).float(), "booleans are asked"),
    ("sees-ahead", chapter._sees_last, "before"),
    ("sees-ahead", chapter._sees_not, "exchanged"),
    ("sees-ahead", chapter._sees_weights, "never finds"),
    ("sees-ahead", lambda layer, x: True, "wrong on"),
    ("softmax-where-allowed", chapter._allowed_even, "even share"),
    ("softmax-where-allowed", chapter._allowed_after, "after the softmax"),
    ("softmax-where-allowed", chapter._allowed_zero, "not forbidden"),
    ("softmax-where-allowed", chapter._allowed_axis, "each *row*"),
    ("softmax-where-allowed", chapter._allowed_turned, "for a ban"),
    ("softmax-where-allowed",
     lambda scores, mask: scores.masked_fill(~mask, -torch.inf).softmax(-1), "nan"),
    ("streamed-attention", chapter._streamed_mean, "a softmax of its own"),
    ("streamed-attention", chapter._streamed_tops, "shrinks by"),
    ("streamed-attention", chapter._streamed_last, "last block"),
    ("streamed-attention", chapter._streamed_unscaled, "root of d"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)
