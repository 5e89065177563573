"""The exercises of the chapter on attention. References are torch's own operations."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from zh.attention import MultiHead, causal
from zh.exercises import Exercise
from zh.exercises._inputs import generator, normal


def parameters(dim: int, bias: bool = True) -> int:
    """The number of parameters of zh.attention.MultiHead, whatever its number of heads."""
    return 4 * dim * dim + (4 * dim if bias else 0)


# ---------------------------------------------------------------- the window


def _window(T, width):
    return torch.ones(T, T).triu(1 - width).tril().bool()


def _window_no_future_check(T, width):
    """The slip: as many places ahead as behind."""
    return torch.ones(T, T).triu(1 - width).tril(width - 1).bool()


def _window_one(T, width, more=1):
    """The slip: one place too many, or too few."""
    return _window(T, width + more)


def _window_not(T, width):
    return ~_window(T, width)


def _window_turned(T, width):
    return _window(T, width).T


WINDOWS = [(6, 3), (5, 1), (4, 9), (8, 2)]


# ---------------------------------------------------------------- does it see the future?


class _Layer(nn.Module):
    """A layer made of a function, with a name that tells nothing."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, x):
        return self.run(x)


def _columns(x):
    """Causal to look at: the softmax runs over the queries."""
    scores = (x @ x.transpose(1, 2)).masked_fill(~causal(x.shape[1]), -torch.inf)
    return scores.softmax(-2) @ x


def _layers():
    """Honest layers and leaky ones: (layer, x) each."""
    g = generator(0)
    heads = [MultiHead(8, 2, causal=wise, generator=g).double() for wise in (True, False)]
    last = normal(8, seed=1)
    made = [*heads, _columns,
            lambda x: x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None],
            lambda x: x - x.mean(1, keepdim=True),
            lambda x: x * 2 + last,
            lambda x: torch.cat([x[:, 1:], x[:, -1:]], 1),                # one place ahead
            lambda x: x.roll(1, 1) * (torch.arange(x.shape[1]) > 0)[:, None]]
    return [(_Layer(run), normal(2, 7, 8, seed=i)) for i, run in enumerate(made)]


def _sees(layer, x):
    """Whether any output depends on a later input: by changing one place after the other."""
    with torch.no_grad():
        out = layer(x)
        for place in range(1, x.shape[1]):
            other = x.clone()
            other[:, place] += 1
            if (layer(other)[:, :place] - out[:, :place]).abs().max() > 1e-9:
                return True
    return False


def _sees_last(layer, x):
    """The slip: asks whether the last output moves with the first input, which is what it may."""
    other = x.clone()
    other[:, 0] += 1
    with torch.no_grad():
        return bool((layer(other)[:, -1] != layer(x)[:, -1]).any())


def _sees_not(layer, x):
    return not _sees(layer, x)


def _sees_weights(layer, x):
    """The slip: looks for weights above the diagonal, which finds only one kind of leak."""
    return False


# ---------------------------------------------------------------- a softmax over what is allowed


def _allowed(scores, mask):
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.where(mask.any(-1, keepdim=True), weights, 0.0)


def _allowed_after(scores, mask):
    """The slip: the mask after the softmax; what is left does not sum to 1."""
    return scores.softmax(-1) * mask


def _allowed_zero(scores, mask):
    """The slip: a score of zero is no ban."""
    return (scores * mask).softmax(-1)


def _allowed_even(scores, mask):
    """The slip: a large negative number in place of minus infinity: a blind row becomes even."""
    return scores.masked_fill(~mask, -1e9).softmax(-1)


def _allowed_axis(scores, mask):
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-2)
    return weights.nan_to_num(0.0)


def _allowed_turned(scores, mask):
    return _allowed(scores, ~mask)


def _allowed_inputs():
    yield normal(3, 4, seed=0), torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]]).bool()
    yield normal(2, 4, 4, seed=1), causal(4)
    yield normal(3, 5, seed=2) * 30, torch.tensor([[0] * 5, [1] * 5, [0, 0, 1, 0, 0]]).bool()
    yield normal(4, 4, seed=3), causal(4).tril(-1)


# ---------------------------------------------------------------- a block of keys at a time


def _streamed(q, k, v, size):
    return F.scaled_dot_product_attention(q, k, v)


def _streamed_parts(q, k, v, size):
    """Every block by itself: (mixed, its largest score, its sum of exponentials)."""
    for a, b in zip(k.split(size), v.split(size), strict=True):
        scores = q @ a.T * q.shape[-1] ** -0.5
        top = scores.max(-1, keepdim=True).values
        e = (scores - top).exp()
        yield e @ b, top, e.sum(-1, keepdim=True)


def _streamed_mean(q, k, v, size):
    """The slip: the softmax of each block by itself, then a mean."""
    parts = _streamed_parts(q, k, v, size)
    return torch.stack([mixed / total for mixed, _, total in parts]).mean(0)


def _streamed_tops(q, k, v, size):
    """The slip: sums of blocks whose largest scores differ, added as they are."""
    parts = list(_streamed_parts(q, k, v, size))
    return sum(mixed for mixed, _, _ in parts) / sum(total for _, _, total in parts)


def _streamed_last(q, k, v, size):
    """The slip: what is left of the last block alone."""
    *_, (mixed, _, total) = _streamed_parts(q, k, v, size)
    return mixed / total


def _streamed_unscaled(q, k, v, size):
    return F.scaled_dot_product_attention(q, k, v, scale=1.0)


def _streamed_inputs():
    for seed, (T, S, size) in enumerate([(3, 8, 2), (4, 7, 3), (2, 5, 5), (3, 6, 1), (2, 9, 20)]):
        yield (*(3 * normal(n, 4, seed=10 * seed + i) for i, n in enumerate((T, S, S))), size)


EXERCISES = [
    Exercise(
        "allowed-pairs",
        "Cells of a triangle",
        minutes=2,
        kind="number",
        answer=64 * 65 // 2,
        mistakes=[
            (64 * 64, "That is every cell. Half of them are the future."),
            (64 * 63 // 2, "A place may look at itself: the diagonal counts."),
            (64 * 64 // 2, "The diagonal is not halved: it is allowed whole."),
        ],
        because="1 + 2 + ... + 64: a bit more than half of the square.",
    ),
    Exercise(
        "spread-of-scores",
        "How far scores spread",
        minutes=4,
        kind="number",
        answer=12,
        mistakes=[
            (144, "That is the variance. The standard deviation is its root."),
            (6, "That is for two variances of 1; those of the query are 4."),
            (24, "The query's numbers have variance 4, so they spread by 2, not 4."),
            (36, "That is the number of terms. Each has a variance, and the root comes last."),
            (2, "That is one term of the sum; there are 36."),
        ],
        because="36 terms of variance 4: a variance of 144. Dividing by the root of 36 leaves 2.",
    ),
    Exercise(
        "attention-parameters",
        "Parameters of a layer",
        minutes=5,
        kind="number",
        answer=lambda: parameters(96),
        tolerance=1e-9,
        mistakes=[
            (lambda: parameters(96, bias=False), "All four matrices have a bias here."),
            (lambda: 3 * 96 * 97, "The last matrix, which mixes the heads, is missing."),
            (lambda: 6 * 3 * 96 * 97 + 96 * 97,
             "Each head has its own rows of the three matrices; it has no whole matrix."),
            (lambda: 3 * 96 * 96 + 96 * 97, "Queries, keys and values have biases too."),
            (lambda: parameters(96) - 96, "One of the four biases is missing."),
            (lambda: parameters(16), "That is one head by itself, from 16 numbers to 16; it reads "
                                     "all 96."),
        ],
        because="Four matrices of 96 by 96 with their biases, for any number of heads.",
    ),
    Exercise(
        "mask-for-cross",
        "The mask of a translation",
        minutes=3,
        kind="choice",
        choices=["causal(T, S)", "causal(T) & padding(lengths, T)", "padding(lengths, S)",
                 "none at all"],
        answer="padding(lengths, S)",
        why={
            "causal(T, S)": "The source is all there from the start: word 1 of the translation "
                            "may look at the last word of the source. And T may be more than S.",
            "causal(T) & padding(lengths, T)": "That is for the decoder's look at its own text, "
                                               "T queries and T keys. Here the keys are S.",
            "none at all": "Sources of a batch have different lengths: what fills up the "
                           "shorter ones is no word.",
        },
        because="What is written looks at all of the source, and at nothing that only fills it up.",
    ),
    Exercise(
        "window-mask",
        "A window for a mask",
        minutes=8,
        kind="function",
        answer=_window,
        inputs=WINDOWS,
        mistakes=[
            (_window_no_future_check, "It looks ahead as far as back: places after the query are "
                                      "not allowed."),
            (_window_one, "One place too many: the width counts the place itself."),
            (partial(_window_one, more=-1), "One place too few: the place itself and width - 1 "
                                            "before it."),
            (_window_turned, "Rows are the places that look, columns those that are looked at: "
                             "this is the other way round."),
            (_window_not, "True is where a query may look: yours says where it may not."),
        ],
        because="One place is a window of 1, and a width beyond T is the causal mask.",
    ),
    Exercise(
        "sees-ahead",
        "Does it see the future?",
        minutes=15,
        kind="function",
        answer=_sees,
        inputs=_layers,
        mistakes=[
            (_sees_not, "True and False are exchanged."),
            (_sees_last, "That asks whether a place sees what came *before* it, which it may."),
            (_sees_weights, "It never finds a leak."),
        ],
        because="It finds a mean over all places, a shift, and the softmax over the wrong axis.",
    ),
    Exercise(
        "softmax-where-allowed",
        "A softmax that may have nothing",
        minutes=15,
        kind="function",
        answer=_allowed,
        inputs=lambda: list(_allowed_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_allowed_even, "A row with nothing allowed should be all zeros; a large negative "
                            "number makes an even share of it."),
            (_allowed_after, "The mask comes after the softmax: what is left does not sum to 1."),
            (_allowed_zero, "A score of 0 is not forbidden: e to the 0 is 1."),
            (_allowed_axis, "The softmax runs over the queries; each *row* sums to 1."),
            (_allowed_turned, "True is where a query may look: yours takes it for a ban."),
        ],
        because="Rows sum to 1 where something is allowed and to 0 where nothing is, and no NaN.",
    ),
    Exercise(
        "streamed-attention",
        "Attention without the matrix",
        minutes=60,
        kind="function",
        answer=_streamed,
        inputs=lambda: list(_streamed_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_streamed_mean, "Each block is a softmax of its own, and then a mean. A block with "
                             "large scores deserves more than one with small ones."),
            (_streamed_tops, "The blocks subtract different largest scores, and their sums are "
                             "then added as they are. When a new largest comes, what was gathered "
                             "before shrinks by exp(old - new)."),
            (_streamed_last, "Only the last block is left: what was gathered before is lost."),
            (_streamed_unscaled, "The scores are not divided by the root of d."),
        ],
        because="The same numbers as PyTorch's kernel, a block of keys at a time.",
    ),
]
