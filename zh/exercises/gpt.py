"""The exercises of the chapter on GPT. References: loops over `zh.attention`, Python's own +."""

from __future__ import annotations

import math

import torch

from zh.attention import attention, causal
from zh.exercises import Exercise
from zh.exercises._inputs import integers, normal

SIGNS = "0123456789+="


def parameters(vocab: int, block: int, layers: int, dim: int, *, tied: bool = True) -> int:
    """The number of parameters of zh.gpt.GPT with places and biases, without building one."""
    one = 12 * dim * dim + 13 * dim
    return (vocab + block) * dim + layers * one + 2 * dim + (0 if tied else vocab * dim)


LARGE = dict(vocab=65, block=256, layers=6, dim=384)


# ---------------------------------------------------------------- heads in one tensor


def _heads(x, query, key, value, mask=True, scale=None):
    """One head after the other."""
    T = x.shape[1]
    found = [attention(x @ q, x @ k, x @ v, causal(T) if mask else None, scale)[0]
             for q, k, v in zip(query, key, value, strict=True)]
    return torch.cat(found, -1)


def _heads_open(x, query, key, value):
    """The slip: no mask."""
    return _heads(x, query, key, value, mask=False)


def _heads_by_width(x, query, key, value):
    """The slip: scaled by the width of x."""
    return _heads(x, query, key, value, scale=x.shape[-1] ** -0.5)


def _heads_unscaled(x, query, key, value):
    return _heads(x, query, key, value, scale=1.0)


def _heads_mixed(x, query, key, value):
    """The slip: (B, H, T, size) flattened without bringing the head behind the place."""
    out = _heads(x, query, key, value).unflatten(-1, (len(query), -1))     # (B, T, H, size)
    return out.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1)


def _heads_interleaved(x, query, key, value):
    """The slip: size before head in the result."""
    out = _heads(x, query, key, value).unflatten(-1, (len(query), -1))
    return out.transpose(2, 3).flatten(2)


def _heads_other_axis(x, query, key, value):
    """The slip: a softmax over the queries."""
    T, found = x.shape[1], []
    for q, k, v in zip(query, key, value, strict=True):
        scores = (x @ q) @ (x @ k).transpose(1, 2) * q.shape[-1] ** -0.5
        scores = scores.masked_fill(~causal(T), -torch.inf)
        found.append(scores.softmax(1) @ (x @ v))
    return torch.cat(found, -1)


def _heads_inputs():
    for seed, (B, T, C, H, size) in enumerate([(2, 5, 8, 4, 2), (1, 4, 6, 2, 5), (3, 1, 4, 1, 4)]):
        yield normal(B, T, C, seed=seed), *(normal(H, C, size, seed=10 * seed + i + 3)
                                            for i in range(3))


# ---------------------------------------------------------------- inputs and targets


def _pairs(ids, block):
    starts = range(0, len(ids) - block, block)
    return (torch.stack([ids[i:i + block] for i in starts]),
            torch.stack([ids[i + 1:i + 1 + block] for i in starts]))


def _pairs_copied(ids, block):
    x, _ = _pairs(ids, block)
    return x, x


def _pairs_backwards(ids, block):
    x, y = _pairs(ids, block)
    return y, x


def _pairs_rolled(ids, block):
    """The slip: each piece turned round in itself, so that its last target is its own first."""
    x, _ = _pairs(ids, block)
    return x, x.roll(-1, 1)


def _pairs_two_on(ids, block):
    x, _ = _pairs(ids, block)
    wide = torch.cat([ids, ids[-1:]])
    return x, torch.stack([wide[i + 2:i + 2 + block] for i in range(0, len(ids) - block, block)])


def _pairs_cut(ids, block):
    """The slip: one piece too few, where the text fits exactly."""
    x, y = _pairs(ids, block)
    return x[:(len(ids) - 2) // block], y[:(len(ids) - 2) // block]


def _pairs_inputs():
    for seed, (n, block) in enumerate([(13, 4), (12, 4), (20, 3), (9, 8), (31, 5)]):
        yield integers(50, n, seed=seed), block


# ---------------------------------------------------------------- a sum as a text


def _example(a, b, reverse=True, hide=5, places=3):
    total = f"{a + b:0{places}}"
    text = f"{a:02}+{b:02}=" + (total[::-1] if reverse else total)
    ids = torch.tensor([SIGNS.index(c) for c in text])
    targets = ids[1:].clone()
    targets[:hide] = -1
    return ids[:-1], targets


def _example_forward(a, b):
    return _example(a, b, reverse=False)


def _example_unmasked(a, b):
    return _example(a, b, hide=0)


def _example_hides_more(a, b):
    """The slip: the first digit of the answer is hidden too."""
    return _example(a, b, hide=6)


def _example_hides_less(a, b):
    """The slip: the = counts."""
    return _example(a, b, hide=4)


def _example_unshifted(a, b):
    """The slip: a target is the sign at its own place."""
    x, y = _example(a, b, hide=0)
    whole = torch.cat([x, y[-1:]])
    targets = whole.clone()
    targets[:6] = -1
    return whole, targets


def _adds(answer):
    """How many of a hundred sums come out right."""
    if not callable(answer):
        return "A function is asked: add(pairs), a list of sums for a list of pairs."
    dice = torch.Generator().manual_seed(7)
    pairs = [tuple(pair) for pair in torch.randint(100, (100, 2), generator=dice).tolist()]
    try:
        sums = [int(value) for value in answer(pairs)]
    except Exception as error:  # whatever the reader's function raises is told, not raised
        return f"It raises {type(error).__name__}: {error}"
    if len(sums) != len(pairs):
        return f"It gives {len(sums)} sums for {len(pairs)} pairs."
    right = sum(a + b == c for (a, b), c in zip(pairs, sums, strict=True))
    backwards = sum(f"{a + b:03}"[::-1] == f"{c:03}" for (a, b), c in
                    zip(pairs, sums, strict=True))
    if backwards > right:
        return "The digits come out the wrong way round: the model writes them last first."
    return True if right >= 95 else (f"{right} of 100 sums are right; 95 are asked. More steps, or "
                                     "a smaller learning rate at the end?")


EXERCISES = [
    Exercise(
        "first-loss-of-gpt2",
        "Before the first step",
        minutes=2,
        kind="number",
        answer=lambda: math.log(50257),
        tolerance=4e-3,
        mistakes=[
            (lambda: math.log2(50257), "That is in bits. The loss of PyTorch is in nats: the "
                                       "natural logarithm."),
            (lambda: math.log10(50257), "That is the logarithm to base 10."),
            (lambda: 1 / 50257, "That is the probability of each token. What does it cost?"),
        ],
        because="An even guess over 50,257 tokens. What is far from it was initialised wrongly.",
    ),
    Exercise(
        "gpt-parameters",
        "The lecture's large GPT, counted",
        minutes=10,
        kind="number",
        answer=lambda: parameters(**LARGE),
        tolerance=1e-9,
        mistakes=[
            (lambda: parameters(**LARGE, tied=False),
             "That has a matrix of its own for the scores; tied, it is the table of tokens."),
            (lambda: parameters(**LARGE) - 256 * 384, "The table of places is missing."),
            (lambda: parameters(**LARGE) - 2 * 384, "The normalisation behind the last block has "
                                                    "a gain and a bias as well."),
            (lambda: parameters(**LARGE) - 6 * 13 * 384 - 2 * 384,
             "Those are the matrices and tables. Biases and normalisations are missing."),
            (lambda: parameters(**LARGE) - 6 * 4 * 384,
             "Each block has two normalisations, of a gain and a bias each."),
            (lambda: parameters(**LARGE) - 6 * 9 * 384,
             "The linear layers have biases: 3, 1, 4 and 1 times the width."),
        ],
        because="Nearly all of it is 6 times 12 times the width squared.",
    ),
    Exercise(
        "cache-scores",
        "Three more characters",
        minutes=3,
        kind="choice",
        choices=["(2, 4, 3, 3)", "(2, 4, 3, 10)", "(2, 4, 3, 13)", "(2, 4, 13, 13)"],
        answer="(2, 4, 3, 13)",
        why={
            "(2, 4, 3, 3)": "Then the new places would see each other and nothing before them.",
            "(2, 4, 3, 10)": "A new place sees itself too, and the new ones before it.",
            "(2, 4, 13, 13)": "That is without a cache: the old places have asked already.",
        },
        because="Three queries, and keys of ten places kept and three new. Under the mask "
                "causal(3, 13) the first of them sees 11 places.",
    ),
    Exercise(
        "top-p-by-hand",
        "Top-p on five characters",
        minutes=3,
        kind="number",
        answer=lambda: 0.4 / 0.85,
        tolerance=2e-3,
        mistakes=[
            (lambda: 0.4 / 0.7, "Two of them have 0.7 together, which does not reach 0.8: the "
                                "third is kept."),
            (0.4, "What is not kept gets 0, and the rest must sum to 1 again."),
            (0.5, "They are divided by what is kept, and that is not 0.8 but what is first to "
                  "reach it."),
            (lambda: 0.4 / 0.95, "Three reach 0.8 already: the fourth is not kept."),
            (0.85, "That is what is kept in all. The question is about the first."),
        ],
        because="Three are kept, 0.85 in all.",
    ),
    Exercise(
        "next-targets",
        "Inputs and targets",
        minutes=10,
        kind="function",
        answer=_pairs,
        inputs=lambda: list(_pairs_inputs()),
        mistakes=[
            (_pairs_copied, "The targets are the inputs: the model is asked for what it reads."),
            (_pairs_backwards, "Inputs and targets are exchanged: this asks for the character "
                               "before."),
            (_pairs_rolled, "The last target of each piece is its own first input. It is the "
                            "character that follows the piece in the text."),
            (_pairs_two_on, "The targets stand two places on: one too many."),
            (_pairs_cut, "There is one piece more where the text fits exactly: n pieces need "
                         "n * block + 1 characters."),
        ],
        because="Every input but the last of a piece is a target as well.",
    ),
    Exercise(
        "heads-at-once",
        "All heads in one tensor",
        minutes=30,
        kind="function",
        answer=_heads,
        inputs=lambda: list(_heads_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_heads_open, "A place sees what comes after it: the causal mask is missing."),
            (_heads_by_width, "The scores are divided by the root of the width of x. The vectors "
                              "that are multiplied have the size of a head."),
            (_heads_unscaled, "The scores are not divided by the root of the head's size."),
            (_heads_mixed, "The numbers are right and stand in the wrong places: bring the axis "
                           "of the heads behind that of the places before you flatten."),
            (_heads_interleaved, "The heads are interleaved: each head's numbers stand side by "
                                 "side in the result."),
            (_heads_other_axis, "The softmax runs over the queries; the weights of one query, "
                                "over its keys, sum to 1."),
        ],
        because="The same numbers as one head after the other.",
    ),
    Exercise(
        "sum-as-text",
        "A sum as a text",
        minutes=15,
        kind="function",
        answer=_example,
        inputs=[(3, 4), (12, 34), (99, 99), (0, 0), (50, 7)],
        mistakes=[
            (_example_forward, "The digits of the sum stand first to last; asked is the last "
                               "digit first."),
            (_example_unmasked, "Every place has a target. What is given in the question does "
                                "not count: -1."),
            (_example_hides_more, "The first digit of the sum has no target. It is asked where "
                                  "the = is read."),
            (_example_hides_less, "The = has a target. It always follows the second number and "
                                  "is nothing to learn: -1."),
            (_example_unshifted, "The target of a place is the sign that follows it, and the last "
                                 "sign is no input."),
        ],
        because="Three places have targets: the last of the question and the first two digits.",
    ),
    Exercise(
        "gpt-that-adds",
        "A GPT that adds",
        minutes=120,
        kind="function",
        compare=_adds,
        because="Sums that it had not seen.",
    ),
]

