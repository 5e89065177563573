"""The exercises of the chapter `bigrams`."""

from __future__ import annotations

import math
from functools import partial

import torch

from zh import data
from zh.exercises import Exercise
from zh.exercises._inputs import generator
from zh.ngrams import NGram

# ---------------------------------------------------------------- indexing instead of one-hot


def _nll(W, x, y):
    return torch.nn.functional.cross_entropy(W[x], y)


def _nll_sum(W, x, y):
    return torch.nn.functional.cross_entropy(W[x], y, reduction="sum")


def _nll_no_softmax(W, x, y):
    return -W[x, y].mean()


def _nll_positive(W, x, y):
    return -_nll(W, x, y)


def _nll_columns(W, x, y):
    """The slip: the softmax along the wrong axis."""
    return -W.log_softmax(0)[x, y].mean()


def _nll_bits(W, x, y):
    return _nll(W, x, y) / math.log(2)


def _nll_inputs():
    for seed, (many, n) in enumerate([(27, 40), (5, 3), (27, 1)]):
        g = generator(seed)
        W = 2 * torch.randn(many, many, generator=g)
        x = torch.randint(0, many, (n,), generator=g)
        yield W, x, torch.randint(0, many, (n,), generator=g)
    W = torch.zeros(4, 4)
    W[0, 0], W[1, 0] = 800.0, -800.0  # exp overflows without the largest taken away
    yield W, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2])


# ---------------------------------------------------------------- drawing


def _draw(p, u):
    return torch.searchsorted(p.cumsum(0), u, right=True)


def _draw_left(p, u):
    return torch.searchsorted(p.cumsum(0), u)


def _draw_one_more(p, u):
    return _draw(p, u) + 1


def _draw_inputs():
    # quarters and eighths, whose running sums have no rounding
    p = torch.tensor([0.25, 0.0, 0.5, 0.125, 0.125, 0.0], dtype=torch.float64)
    yield p, torch.tensor([0.1, 0.3, 0.74, 0.76, 0.99, 0.0], dtype=torch.float64)
    yield p, torch.tensor([0.25, 0.75, 0.875], dtype=torch.float64)
    yield torch.tensor([0.0, 0.0, 1.0]).double(), torch.tensor([0.0, 0.5]).double()
    yield p, torch.rand(200, generator=generator(1), dtype=torch.float64)


# ---------------------------------------------------------------- trigrams


def _trigrams(names):
    X, Y = data.windows(names, 2)
    table = torch.zeros(27, 27, 27, dtype=torch.int64)
    return table.index_put_((X[:, 0], X[:, 1], Y), torch.ones_like(Y), accumulate=True)


def _trigrams_marked(names, marks):
    """One after the other, with so many marks in front of a name: two are right, fewer a slip."""
    table = torch.zeros(27, 27, 27, dtype=torch.int64)
    for name in names:
        a = data.encode("." * marks + name + ".")
        for i, j, k in zip(a, a[1:], a[2:], strict=False):
            table[i, j, k] += 1
    return table


def _trigrams_overwritten(names):
    """The slip: assigned, not added."""
    return _trigrams(names).clamp(max=1)


def _trigrams_once(names):
    """The slip: a name that stands twice counts once."""
    return _trigrams(list(dict.fromkeys(names)))


NAMES = [(["emma"],), (["anna", "ann", "nan"],), (["bo", "b", "bob", "bobo"],), (["emma", "emma"],)]


# ---------------------------------------------------------------- choosing k

STRENGTHS = [0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


def _tune(train, dev, n, strengths):
    width = max(n - 1, 1)
    model = NGram(n).fit(*data.windows(train, width))
    held = data.windows(dev, width)
    losses = []
    for k in strengths:
        model.k = k
        losses.append(model.nll(*held))
    return strengths[losses.index(min(losses))]


def _tune_on_train(train, dev, n, strengths):
    return _tune(train, train, n, strengths)


def _tune_swapped(train, dev, n, strengths):
    return _tune(dev, train, n, strengths)


def _tune_inputs():
    parts = data.split(data.names("bundled"))
    yield parts[0][:1000], parts[1][:300], 2, STRENGTHS
    yield parts[0][:3000], parts[1][:300], 3, STRENGTHS
    yield parts[0][:300], parts[1][:100], 4, STRENGTHS
    yield parts[0][:4000], parts[1][:40], 5, STRENGTHS
    yield parts[0][:8000], parts[1][:300], 4, STRENGTHS


# ---------------------------------------------------------------- back-off


def _backoff(N, k):
    N = N.double()
    alone = (N.sum(0) + k) / (N.sum() + 27 * k)
    return (N + 27 * k * alone) / (N.sum(1, keepdim=True) + 27 * k)


def _backoff_uniform(N, k):
    return (N.double() + k) / (N.double() + k).sum(1, keepdim=True)


def _backoff_short(N, k):
    """The slip: k imagined letters in all, and not k for each letter."""
    N = N.double()
    alone = (N.sum(0) + k) / (N.sum() + 27 * k)
    return (N + k * alone) / (N.sum(1, keepdim=True) + k)


def _backoff_rough(N, k):
    """The slip: the letters alone are not smoothed."""
    N = N.double()
    alone = N.sum(0) / N.sum()
    return (N + 27 * k * alone) / (N.sum(1, keepdim=True) + 27 * k)


def _backoff_rows(N, k):
    """The slip: how often each letter stands first, and not second."""
    N = N.double()
    alone = (N.sum(1) + k) / (N.sum() + 27 * k)
    return (N + 27 * k * alone) / (N.sum(1, keepdim=True) + 27 * k)


def _backoff_no_keepdim(N, k):
    """The slip of the chapter: columns divided by the sums of the rows."""
    N = N.double()
    alone = (N.sum(0) + k) / (N.sum() + 27 * k)
    return (N + 27 * k * alone) / (N.sum(1) + 27 * k)


def _backoff_inputs():
    # whole names, and in the end pairs torn out of theirs, where rows and columns differ in sum
    some = ["emma", "anna", "bob", "isabella", "zoe"]
    for names, k, every in [(["emma", "anna", "bob"], 1.0, 1), (["ab", "ba", "abba"], 0.1, 1),
                            (some, 0.3, 3)]:  # fmt: skip
        X, Y = data.windows(names, 1)
        x, y = X[::every, 0], Y[::every]
        N = torch.zeros(27, 27, dtype=torch.int64)
        yield N.index_put_((x, y), torch.ones_like(y), accumulate=True), k


def _judge_backoff(answer):
    """float64 is asked, and a float32 table of another kind would be within the tolerance."""
    try:
        got = [answer(N.clone(), k) for N, k in _backoff_inputs()]
    except Exception:  # noqa: BLE001  what is wrong with it is said by the usual judgement
        return None
    if all(torch.is_tensor(p) and p.dtype == torch.float32 for p in got):
        return "The table is float32: divide in float64, N.double()."
    return None


EXERCISES = [
    Exercise(
        "smoothed-row",
        "A row with something added",
        minutes=3,
        kind="number",
        answer=1 / 12,
        mistakes=[
            (0.0, "That is the probability before anything was added."),
            (1 / 9, "The row's sum grows too: by k for each of its letters."),
            (1 / 11, "The third letter was added to as well: the sum grows by one for each of the "
                     "three letters, and not only for the two that were seen."),
            (3 / 12, "That is the first letter's; the third was counted 0 times."),
            (1 / 3, "That is the uniform distribution: it is what a very large k leads to."),
            (1 / 10, "One was added to the sum; it grows by one for each letter, and there are "
                     "three more in it."),
        ],
        because="(0 + 1) / (9 + 3): each of the three letters was seen once more than it was.",
    ),
    Exercise(
        "nats-to-bits",
        "What a loss is worth",
        minutes=3,
        kind="number",
        answer=3,
        tolerance=0.005,
        mistakes=[
            (2.0794415, "That is still in nats. One bit is ln 2 of them."),
            (2.0794415 * math.log(2), "Multiplied by ln 2 where you should divide: a bit is "
                                      "smaller than a nat."),
            (math.log(2), "That is how many nats one bit is: divide the loss by it."),
            (8.0, "That is the number of equally likely letters, e to the loss. How many bits "
                  "tell one of 8 from the others?"),
        ],
        because="A loss of ln 8 is as bad as guessing among 8 letters, and that takes 3 bits.",
    ),
    Exercise(
        "where-keepdim-shows",
        "Who sees the wrong axis?",
        minutes=8,
        kind="choice",
        choices=[
            "The mean loss on unseen names, spelled backwards",
            "The loss of one word that is no name, with its end",
            "The mean loss on the names with their last pair, the end, left out",
            "The loss on the training names after adding one to every count",
        ],
        answer="The mean loss on the names with their last pair, the end, left out",
        why={
            "The mean loss on unseen names, spelled backwards": "A walk that is closed is closed "
            "backwards too: it leaves each letter as often as it enters it.",
            "The loss of one word that is no name, with its end": "It goes from the mark to the "
            "mark, so it enters each letter as often as it leaves it.",
            "The loss on the training names after adding one to every count": "Adding the same "
            "number everywhere keeps row sums and column sums equal.",
        },
        because="Without its end a name leaves the mark and does not come back to it.",
    ),
    Exercise(
        "index-not-one-hot",
        "The loss without a one-hot vector",
        minutes=8,
        kind="function",
        answer=_nll,
        inputs=lambda: list(_nll_inputs()),
        mistakes=[
            (_nll_sum, "That is the sum over the examples; the mean is asked."),
            (_nll_no_softmax, "W holds scores. They become log-probabilities when the logarithm "
                              "of the sum of their exponentials is taken away."),
            (_nll_positive, "That is the log-likelihood: the loss is minus that."),
            (_nll_columns, "Each *row* of scores is one distribution: the softmax goes along "
                           "axis 1."),
            (_nll_bits, "That is in bits; the loss of this chapter is in nats."),
        ],
        because="One line, no 27 columns of zeros, and safe where exp alone would overflow.",
    ),
    Exercise(
        "inverse-draw",
        "Many draws at once",
        minutes=10,
        kind="function",
        answer=_draw,
        inputs=lambda: list(_draw_inputs()),
        mistakes=[
            (_draw_left, "Almost: where a number falls exactly on a running sum, the letter "
                         "before it is already used up. Look at right=True."),
            (_draw_one_more, "One too far: the first letter has index 0."),
        ],
        because="No letter of probability zero is ever drawn, not even at the edges.",
    ),
    Exercise(
        "trigram-table",
        "Counting three in a row",
        minutes=15,
        kind="function",
        answer=_trigrams,
        inputs=NAMES,
        mistakes=[
            (partial(_trigrams_marked, marks=0),
             "The starts of the names are missing: a name begins after two marks."),
            (partial(_trigrams_marked, marks=1),
             "With one mark in front the first letter of a name is never predicted: two are "
             "needed."),
            (_trigrams_overwritten, "Every count is 0 or 1: something is assigned where it should "
                                    "be added (accumulate=True)."),
            (_trigrams_once, "A name that stands twice counts twice."),
        ],
        because="Its entries sum to the letters of the names plus one end for each.",
    ),
    Exercise(
        "tune-k",
        "How much to add",
        minutes=20,
        kind="function",
        answer=_tune,
        inputs=lambda: list(_tune_inputs()),
        mistakes=[
            (_tune_on_train, "That is the best one on the names that were counted, and there the "
                             "smallest always wins. Choose on dev."),
            (_tune_swapped, "That is counted on dev and chosen on train: it is the other way "
                            "round."),
        ],
        because="Counted on one part, chosen on the other.",
    ),
    Exercise(
        "bigram-backoff",
        "Back-off by hand",
        minutes=30,
        kind="function",
        answer=_backoff,
        inputs=lambda: list(_backoff_inputs()),
        compare=_judge_backoff,
        mistakes=[
            (_backoff_uniform, "That spreads what is added evenly; here it goes where the letters "
                               "alone would have it."),
            (_backoff_short, "What is added to a row is k for each of the 27 letters, 27 k in "
                             "all."),
            (_backoff_rough, "The distribution of the letters alone needs smoothing too: a letter "
                             "that never occurs still has none."),
            (_backoff_rows, "Those are the letters that come *first*. On whole names the two "
                            "agree; on pairs torn out of them they do not."),
            (_backoff_no_keepdim, "Each column was divided by the sum of a row: keepdim=True."),
        ],
        because="The same as NGram(2, k, backoff=True), in two lines.",
    ),
]
