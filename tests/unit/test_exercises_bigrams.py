"""Run: python -m pytest tests/unit/test_exercises_bigrams.py

The slips that the exercises of the bigram chapter are likely to meet, and what is said of them;
and the references against other ways to the same answer.
"""

from functools import partial

import pytest
import torch

from zh import data
from zh.exercises import bigrams as chapter
from zh.exercises import check
from zh.ngrams import NGram


def one_hot(W, x, y):
    logits = torch.nn.functional.one_hot(x, len(W)).float() @ W
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return -p[range(len(y)), y].log().mean()


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("smoothed-row", 1 / 9, "sum grows too"),
        ("smoothed-row", "1/10", "there are three more"),
        ("nats-to-bits", 8, "how many bits"),
        ("nats-to-bits", 2.0794, "still in nats"),
        ("where-keepdim-shows", "a", "closed backwards too"),
        ("index-not-one-hot", chapter._nll_sum, "mean is asked"),
        ("index-not-one-hot", chapter._nll_no_softmax, "W holds scores"),
        ("index-not-one-hot", chapter._nll_positive, "minus that"),
        ("smoothed-row", "1/11", "not only for the two"),
        ("smoothed-row", "3/12", "the first letter's"),
        ("nats-to-bits", 0.6931, "divide the loss by it"),
        ("index-not-one-hot", chapter._nll_columns, "axis 1"),
        ("index-not-one-hot", chapter._nll_bits, "in nats"),
        ("index-not-one-hot", one_hot, "Right on 3 of 4 inputs"),
        ("inverse-draw", chapter._draw_left, "right=True"),
        ("inverse-draw", chapter._draw_one_more, "index 0"),
        ("trigram-table", partial(chapter._trigrams_marked, marks=0), "after two marks"),
        ("trigram-table", partial(chapter._trigrams_marked, marks=1), "two are needed"),
        ("trigram-table", chapter._trigrams_overwritten, "accumulate=True"),
        ("trigram-table", lambda names: chapter._trigrams(names).double(), "dtype"),
        ("trigram-table", lambda names: chapter._trigrams(list(dict.fromkeys(names))), "twice"),
        ("tune-k", chapter._tune_on_train, "Choose on dev"),
        ("tune-k", lambda train, dev, *more: chapter._tune(dev, train, *more), "other way round"),
        ("bigram-backoff", chapter._backoff_uniform, "letters alone"),
        ("bigram-backoff", chapter._backoff_short, "27 k in all"),
        ("bigram-backoff", chapter._backoff_rough, "needs smoothing too"),
        ("bigram-backoff", chapter._backoff_rows, "come *first*"),
        ("bigram-backoff", chapter._backoff_no_keepdim, "keepdim=True"),
        ("bigram-backoff", lambda N, k: chapter._backoff(N, k).float(), "N.double()"),
        ("bigram-backoff", lambda N, k: chapter._backoff(N.T, k), ""),
        ("bigram-backoff", lambda N: N, ""),
    ],
)
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_other_right_answers_are_right():
    def logsumexp(W, x, y):
        return (W[x].logsumexp(1) - W[x, y]).mean()

    def comparing(p, u):
        return (p.cumsum(0) <= u[:, None]).sum(1)

    assert check("index-not-one-hot", logsumexp) and check("inverse-draw", comparing)
    assert check("trigram-table", partial(chapter._trigrams_marked, marks=2))
    assert check("smoothed-row", "1/12") and check("nats-to-bits", "3")


def test_the_reference_of_backoff_is_the_model():
    names = ["emma", "anna", "bob"]
    X, Y = data.windows(names, 1)
    N = torch.zeros(27, 27, dtype=torch.int64)
    N.index_put_((X[:, 0], Y), torch.ones_like(Y), accumulate=True)
    letters = torch.unique(X)
    model = NGram(2, k=0.7, backoff=True).fit(X, Y)
    p = chapter._backoff(N, 0.7)
    assert torch.allclose(model.probabilities(letters[:, None]), p[letters])


def test_a_wrong_axis_shows_on_torn_pairs_and_on_no_whole_names():
    """The answer of where-keepdim-shows, by program."""
    train, dev, _ = data.split(data.names())
    X, Y = data.windows(train, 1)
    N = torch.ones(27, 27, dtype=torch.float64)
    N.index_put_((X[:, 0], Y), torch.ones(len(Y), dtype=torch.float64), accumulate=True)
    right, wrong = N / N.sum(1, keepdim=True), N / N.sum(1)

    def differ(X, Y):
        x = X[:, 0]
        return abs((right[x, Y].log() - wrong[x, Y].log()).mean().item())

    for names in (train, dev, dev[:1], ["zzyzx"], [name[::-1] for name in dev]):
        assert differ(*data.windows(names, 1)) < 1e-12
    X2, Y2 = data.windows(dev, 1)
    assert differ(X2[Y2 > 0], Y2[Y2 > 0]) > 0.01  # the answer: without the last pair
    rows = torch.randint(0, len(Y), (32,), generator=torch.Generator().manual_seed(1))
    assert differ(X[rows], Y[rows]) > 0.01
