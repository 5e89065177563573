"""zh.ngrams against counting with dictionaries, closed forms, and properties (hypothesis)."""

import math
import time
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, sampling
from zh.ngrams import NGram

word = st.text("abcd", min_size=1, max_size=6)
words = st.lists(word, min_size=1, max_size=12)
orders = st.integers(1, 6)
strengths = st.sampled_from([0.0, 0.01, 0.5, 3.0])
V = len(data.ALPHABET)


def count(names, n):
    """{context: Counter of the letters after it}, in plain Python, with n - 1 letters a context."""
    table = {}
    for name in names:
        padded = "." * (n - 1) + name + "."
        for i in range(len(name) + 1):
            table.setdefault(padded[i : i + n - 1], Counter())[padded[i + n - 1]] += 1
    return table


def expected(names, n, k, backoff, context):
    """The distribution after a context by the written rule, one letter at a time."""
    row = count(names, n).get(context)
    if backoff:
        prior = (expected(names, n - 1, k, True, context[1:]) if n > 1
                 else dict.fromkeys(data.ALPHABET, 1 / V))  # fmt: skip
        if row is None:
            return prior
    else:
        prior = dict.fromkeys(data.ALPHABET, 1 / V)
        if row is None:
            return prior if k else dict.fromkeys(data.ALPHABET, 0.0)
    total = sum(row.values())
    return {c: (row[c] + k * V * prior[c]) / (total + k * V) for c in data.ALPHABET}


def fitted(names, n, block=None, **options):
    return NGram(n, **options).fit(*data.windows(names, block or max(n - 1, 1)))


@settings(max_examples=60)
@given(words, words, orders, strengths, st.booleans())
def test_every_probability_is_that_of_counting_with_a_dictionary(names, others, n, k, backoff):
    model = fitted(names, n, k=k, backoff=backoff)
    X, _ = data.windows([*names[:2], *others[:3]], max(n - 1, 1))
    p = model.probabilities(X)
    assert p.dtype == torch.float64 and p.shape == (len(X), V)
    for row, context in zip(p.tolist(), X.tolist(), strict=True):
        letters = data.decode(context)[len(context) - (n - 1) :]
        right = expected(names, n, k, backoff, letters)
        assert row == pytest.approx(list(right.values()), abs=1e-12)


@settings(max_examples=60)
@given(words, words, orders, strengths.filter(bool), st.booleans())
def test_rows_sum_to_one(names, others, n, k, backoff):
    model = fitted(names, n, k=k, backoff=backoff)
    X, _ = data.windows(others, max(n - 1, 1))
    p = model.probabilities(X)
    assert (p.sum(1) - 1).abs().max() < 1e-12 and p.min() > 0
    assert torch.allclose(model(X).softmax(1), p, atol=1e-12)  # log-probabilities are logits


@settings(max_examples=40)
@given(words, orders)
def test_without_smoothing_the_loss_on_its_own_names_is_the_conditional_entropy(names, n):
    model = fitted(names, n, k=0)
    table = count(names, n)
    total = sum(sum(row.values()) for row in table.values())
    entropy = -sum(c * math.log(c / sum(row.values()))
                   for row in table.values() for c in row.values()) / total  # fmt: skip
    assert model.nll(*data.windows(names, max(n - 1, 1))) == pytest.approx(entropy, abs=1e-12)


@settings(max_examples=30)
@given(words, st.integers(2, 6))
def test_more_context_never_costs_on_the_names_that_were_counted(names, n):
    X, Y = data.windows(names, n)
    assert NGram(n, k=0).fit(X, Y).nll(X, Y) <= NGram(n - 1, k=0).fit(X, Y).nll(X, Y) + 1e-12


def test_one_name_worked_through():
    # "aab": . -> a, a -> a, a -> b, b -> .
    X, Y = data.windows(["aab"], 1)
    p = NGram(2, k=1).fit(X, Y).probabilities(torch.tensor([[1]]))[0]
    assert p[:4].tolist() == pytest.approx([1 / 29, 2 / 29, 2 / 29, 1 / 29])
    # back-off, one imagined letter (k * 27 = 1): the letters alone are a 2, b 1, . 1 of 4
    model = NGram(2, k=1 / 27, backoff=True).fit(X, Y)
    alone = (2 + 1 / 27) / 5
    p = model.probabilities(torch.tensor([[1], [3]]))
    assert p[0, 1].item() == pytest.approx((1 + alone) / 3)
    assert p[1, 1].item() == pytest.approx(alone)  # after c, which never stood there


def test_a_bigram_model_is_the_table_of_the_chapter():
    train = data.split(data.names())[0]
    X, Y = data.windows(train, 1)
    N = torch.zeros(27, 27, dtype=torch.float64)
    N.index_put_((X[:, 0], Y), torch.ones(len(Y), dtype=torch.float64), accumulate=True)
    P = (N + 0.5) / (N + 0.5).sum(1, keepdim=True)
    model = NGram(2, k=0.5).fit(X, Y)
    assert torch.allclose(model.probabilities(torch.arange(27)[:, None]), P, atol=1e-15)
    assert model.nll(X, Y) == pytest.approx(-P[X[:, 0], Y].log().mean().item(), abs=1e-13)


def test_only_the_last_letters_of_a_longer_context_are_read():
    X, Y = data.windows(["anna", "nan", "banana"], 8)
    for n in (1, 2, 3):
        narrow, _ = data.windows(["anna", "nan", "banana"], max(n - 1, 1))
        wide = NGram(n).fit(X, Y)
        assert torch.equal(wide(X), NGram(n).fit(narrow, Y)(narrow)) and wide.block == n - 1
    empty = NGram(1).fit(X, Y)(X[:2, :0])  # letters alone need no context at all
    assert torch.equal(empty, NGram(1).fit(X, Y)(X[:2]))


def test_contexts_too_long_for_one_number():
    name = "abcdefghijklmnopqrstuvwxyz" * 2  # 27**39 contexts would not fit into an int64
    model = fitted([name, name[::-1]], 40, k=0)
    assert model.nll(*data.windows([name], 39)) < math.log(2) and model.contexts == 105


def test_k_can_be_changed_without_counting_again():
    X, Y = data.windows(["anna", "bob"], 2)
    model = NGram(3, k=0.1).fit(X, Y)
    model.k = 2.0
    assert model.nll(X, Y) == NGram(3, k=2.0).fit(X, Y).nll(X, Y)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_small_integers_count_as_large_ones_do(kind):
    train, dev, _ = (data.windows(part, 4) for part in data.split(data.names()))
    for n in (1, 3, 5):
        right = NGram(n).fit(*train)
        small = NGram(n).fit(train[0].to(kind), train[1].to(kind))
        assert small.nll(dev[0].to(kind), dev[1].to(kind)) == right.nll(*dev)


def test_the_trigrams_of_the_bundled_names_take_well_under_a_second():
    X, Y = data.windows(data.names(), 2)

    def seconds():
        start = time.perf_counter()
        NGram(3).fit(X, Y)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.5


def test_names_are_drawn_from_a_model_without_context():
    names = ["anna", "bob"] * 50
    model = NGram(1, k=0).fit(*data.windows(names, 1))
    drawn = sampling.names(model, 3000, torch.Generator().manual_seed(1))
    assert set("".join(drawn)) == set("anbo")
    assert sum(n == "" for n in drawn) / 3000 == pytest.approx(2 / 9, abs=0.03)  # 2 ends of 9


def test_what_was_never_seen():
    X, Y = data.windows(["anna"], 2)
    unsmoothed = NGram(3, k=0).fit(X, Y)
    ab = torch.tensor([[1, 2], [1, 14]])
    assert (unsmoothed(ab)[0] == -math.inf).all() and unsmoothed(ab)[1].exp().sum() == 1
    assert unsmoothed.nll(ab, torch.tensor([1, 14])) == math.inf
    assert NGram(3).fit(X, Y)(ab)[0].exp().tolist() == pytest.approx([1 / 27] * 27)
    back, alone = NGram(3, k=0, backoff=True).fit(X, Y), NGram(1, k=0).fit(X, Y)
    assert torch.allclose(back.probabilities(ab)[0], alone.probabilities(ab)[0])


def test_a_model_like_the_others():
    X, Y = data.windows(["anna", "bob"], 2)
    model = NGram(3).fit(X, Y)
    assert model.parameters() == [] and model.eval() is model and not model.training
    logits = model(X)
    assert torch.nn.functional.cross_entropy(logits, Y).item() == pytest.approx(model.nll(X, Y))
    assert model.loss(X, Y).item() == model.nll(X, Y)
    assert repr(model) == "NGram(3, k=0.1)" and "backoff=True" in repr(NGram(3, backoff=True))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda X, Y: NGram(0), ValueError, "1 letter or more"),
        (lambda X, Y: NGram(2.0), ValueError, "1 letter or more"),
        (lambda X, Y: NGram(2, k=-1), ValueError, "0 or more"),
        (lambda X, Y: NGram(2, k=math.nan), ValueError, "0 or more"),
        (lambda X, Y: NGram(2)(X), RuntimeError, r"fit\(X, Y\) first"),
        (lambda X, Y: NGram(4).fit(X, Y), ValueError, "block=3"),
        (lambda X, Y: NGram(2).fit(X.float(), Y), TypeError, "integers"),
        (lambda X, Y: NGram(2).fit(X[:, 0], Y), TypeError, "shape"),
        (lambda X, Y: NGram(2).fit(X, Y[1:]), ValueError, "one letter for each row"),
        (lambda X, Y: NGram(2).fit(X[:0], Y[:0]), ValueError, "at least one"),
        (lambda X, Y: NGram(2, vocab=5).fit(X, Y), ValueError, "0 to 4"),
        (lambda X, Y: NGram(2).fit(X, Y)(X + 26), ValueError, "0 to 26"),
        (lambda X, Y: NGram(2).fit(X, Y).nll(X, Y[:3]), ValueError, "one letter for each row"),
        (lambda X, Y: NGram(2).fit(X, Y).loss(X, Y[:, None]), ValueError, "one letter for each"),
        (lambda X, Y: NGram(2).fit(X, Y).nll(X, Y + 26), ValueError, "0 to 26"),
        (lambda X, Y: NGram(2).fit(X, Y).nll(X[:0], Y[:0]), ValueError, "at least one"),
        (lambda X, Y: NGram(2).nll(X, Y), RuntimeError, r"fit\(X, Y\) first"),
        (lambda X, Y: setattr(NGram(2).fit(X, Y), "k", -0.05), ValueError, "0 or more"),
        (lambda X, Y: setattr(NGram(2).fit(X, Y), "k", math.nan), ValueError, "0 or more"),
    ],
)
def test_what_does_not_fit_is_said(call, error, message):
    with pytest.raises(error, match=message):
        call(*data.windows(["anna"], 2))
