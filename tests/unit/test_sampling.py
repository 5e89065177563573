"""zh.sampling against closed forms, torch.multinomial in the limit, and properties."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zh import data, layers
from zh.ngrams import NGram
from zh.sampling import names, probabilities, sample, sample_logits

logit = st.floats(-30, 30, allow_nan=False)
rows = st.lists(logit, min_size=1, max_size=12)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------ sample


@pytest.mark.parametrize("seed", range(5))
def test_frequencies_pass_a_chi_square_test(seed):
    p = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.04, 0.01], dtype=torch.float64)
    n = 50_000
    seen = torch.bincount(sample(p.expand(n, 6), generator(seed)), minlength=6)
    chi2 = ((seen - n * p).square() / (n * p)).sum().item()
    assert chi2 < 20.5  # 5 degrees of freedom: 1 in 1,000 is above


def test_same_distribution_as_multinomial():
    p = torch.rand(27, generator=generator(3), dtype=torch.float64)
    p, n = p / p.sum(), 100_000
    mine = torch.bincount(sample(p.expand(n, 27), generator()), minlength=27) / n
    theirs = torch.multinomial(p, n, replacement=True, generator=generator())
    theirs = torch.bincount(theirs, minlength=27) / n
    assert (mine - theirs).abs().max() < 5 * math.sqrt(2 * 0.25 / n)


def test_the_draw_is_the_inverse_of_the_cumulative_sum():
    p = torch.tensor([0.1, 0.0, 0.6, 0.3, 0.0])
    u = torch.rand(1000, 1, generator=generator(), dtype=torch.float64).flatten()
    drawn = sample(p.expand(1000, 5), generator())
    for draw, number in zip(drawn.tolist(), u.tolist(), strict=True):
        assert draw == (0 if number < 0.1 else 2 if number < 0.7 else 3)


def test_shapes_and_one_draw_after_another():
    p = torch.full((3, 4, 5), 0.2)
    assert sample(p, generator()).shape == (3, 4) and sample(p[0, 0], generator()).shape == ()
    g, together = generator(), sample(p.flatten(0, 1), generator())
    assert [int(sample(row, g)) for row in p.flatten(0, 1)] == together.tolist()
    assert sample([0.0, 1.0], generator()) == 1


class Fixed:
    """torch.rand with a chosen value, for the ends of the interval."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, generator=None, dtype=None):
        return torch.full(shape, self.value, dtype=dtype)


@pytest.mark.parametrize("u", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("total", [1.0, 1 + 9e-5, 1 - 9e-5])
def test_zero_probability_is_never_drawn_even_at_the_ends(monkeypatch, u, total):
    monkeypatch.setattr(torch, "rand", Fixed(u))
    p = torch.tensor([0, 0.25, 0, 0.75, 0], dtype=torch.float64) * total
    assert sample(p, None) == (1 if u == 0 else 3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 1000))
def test_only_positive_probabilities_are_drawn(weights, seed):
    w = torch.tensor(weights, dtype=torch.float64)
    if w.sum() < 1e-3:
        return
    p = w / w.sum()
    assert (p[sample(p.expand(40, -1), generator(seed))] > 0).all()


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([0.5, 0.6], "sums to 1.1"),
        ([3.0, 1.0], "sums to 4"),
        ([0.0, 0.0], "sums to 0"),
        ([-0.5, 1.5], "smallest is -0.5"),
        ([math.nan, 1.0], "finite"),
        ([math.inf, 0.0], "finite"),
        ([], "last axis"),
        (1.0, "last axis"),
    ],
)
def test_not_a_distribution(probs, message):
    with pytest.raises(ValueError, match=message):
        sample(probs, generator())


def test_the_row_that_is_wrong_is_the_one_reported():
    with pytest.raises(ValueError, match="sums to 7"):
        sample([[0.5, 0.5], [3.0, 4.0]], generator())


# ------------------------------------------------------------------ probabilities


@given(rows, st.floats(0.05, 20))
def test_temperature_is_softmax_of_the_quotient(logits, temperature):
    x = torch.tensor(logits, dtype=torch.float64)
    assert torch.allclose(probabilities(x, temperature), (x / temperature).softmax(-1))


def test_temperature_of_one_worked_example():
    # logits 0 and ln 3: 1/4 and 3/4; at temperature 1/2 the odds are squared: 1/10 and 9/10
    x = torch.tensor([0.0, math.log(3)], dtype=torch.float64)
    assert torch.allclose(probabilities(x), torch.tensor([0.25, 0.75], dtype=torch.float64))
    assert torch.allclose(probabilities(x, 0.5), torch.tensor([0.1, 0.9], dtype=torch.float64))


def test_zero_temperature_is_greedy_and_the_limit():
    x = torch.tensor([[1.0, 3.0, 3.0, -2.0], [-math.inf, -5.0, -9.0, -6.0]])
    assert probabilities(x, 0).tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]
    near = probabilities(x[1], 1e-300)
    assert torch.equal(near, probabilities(x[1], 0))
    assert sample_logits(x, generator(), temperature=0).tolist() == [1, 1]


@given(rows, st.integers(1, 15))
def test_top_k_keeps_k_and_their_proportions(logits, k):
    p = probabilities(logits)
    kept = probabilities(logits, top_k=k)
    best = sorted(range(len(logits)), key=lambda i: (-p[i].item(), i))[:k]  # Python's own sort
    expected = torch.zeros_like(p)
    expected[best] = p[best] / p[best].sum()
    assert torch.allclose(kept, expected, atol=1e-12)
    assert set(kept.nonzero().flatten().tolist()) <= set(best)


@given(rows, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_that_reach_p(logits, share):
    p = probabilities(logits)
    kept = probabilities(logits, top_p=share) > 0
    mass, least = p[kept].sum().item(), p[kept].min().item()
    assert kept.any() and mass >= min(share, 1) - 1e-9
    assert share == 1 or mass - least < share + 1e-9  # without the last one: not reached
    assert share == 1 or kept.all() or p[~kept].max() <= least + 1e-15


def test_top_k_and_top_p_closed_forms():
    x = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64).log()
    assert torch.allclose(probabilities(x, top_k=2), torch.tensor([2 / 3, 1 / 3, 0, 0]).double())
    assert torch.allclose(probabilities(x, top_k=3), torch.tensor([4, 2, 1, 0]).double() / 7)
    assert torch.allclose(probabilities(x, top_p=0.74), torch.tensor([2, 1, 0, 0]).double() / 3)
    assert torch.allclose(probabilities(x, top_p=0.8), torch.tensor([4, 2, 1, 0]).double() / 7)
    # top-k first: 2/3 of what is left reaches 0.6 alone
    both = probabilities(x, top_k=2, top_p=0.6)
    assert both.tolist() == [1, 0, 0, 0]
    assert torch.equal(probabilities(x, top_k=9, top_p=1.0), probabilities(x))


@given(st.lists(rows.filter(lambda r: len(r) == 5), min_size=1, max_size=4) | st.just([[0.0] * 5]))
def test_rows_do_not_meet(batch):
    x = torch.tensor(batch, dtype=torch.float64)
    together = probabilities(x, 0.7, top_k=4, top_p=0.9)
    alone = torch.stack([probabilities(row, 0.7, top_k=4, top_p=0.9) for row in x])
    assert torch.equal(together, alone)
    assert torch.allclose(together.sum(-1), torch.ones(len(x), dtype=torch.float64))


def test_large_and_ruled_out_logits():
    assert probabilities([1e6, -1e6]).tolist() == [1, 0]
    assert probabilities([-math.inf, 2.0, 2.0]).tolist() == [0, 0.5, 0.5]
    assert probabilities([-math.inf, -1e30]).tolist() == [0, 1]
    half = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16)
    assert probabilities(half).dtype == torch.float64
    original = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    probabilities(original, top_k=1)
    assert original.tolist() == [1, 2, 3]  # what came in is left as it was


@pytest.mark.parametrize(
    ("logits", "settings", "message"),
    [
        ([0.0, math.nan], {}, "NaN"),
        ([0.0, math.inf], {}, r"\+inf"),
        ([[0.0, 0.0], [-math.inf, -math.inf]], {}, "every logit of a row is -inf"),
        ([0.0], {"temperature": -1}, "not -1"),
        ([0.0], {"temperature": math.nan}, "not nan"),
        ([0.0], {"temperature": math.inf}, "not inf"),
        ([0.0], {"top_k": 0}, "1 or more, or None, not 0"),
        ([0.0], {"top_k": 1.5}, "whole number"),
        ([0.0], {"top_k": True}, "whole number"),
        ([0.0], {"top_p": 0.0}, "above 0"),
        ([0.0], {"top_p": 1.1}, "at most 1"),
        ([0.0], {"top_p": math.nan}, "at most 1"),
        ([], {}, "last axis"),
        (3.0, {}, "last axis"),
    ],
)
def test_settings_out_of_range(logits, settings, message):
    with pytest.raises(ValueError, match=message):
        probabilities(logits, **settings)


# ------------------------------------------------------------------ names


class Speller:
    """A model that can only spell one word, whatever is drawn."""

    block = 2

    def __init__(self, word):
        self.word, self.asked = "." + word + ".", []

    def __call__(self, X):
        self.asked.append(X.tolist())
        logits = torch.full((len(X), 27), -math.inf)
        at = len(self.asked)
        logits[:, data.ALPHABET.index(self.word[at])] = 0.0
        return logits


def test_a_name_starts_from_marks_and_ends_at_the_mark():
    model = Speller("bo")
    assert names(model, 2, generator()) == ["bo", "bo"]
    assert model.asked == [[[0, 0]] * 2, [[0, 2]] * 2, [[2, 15]] * 2]
    assert names(Speller(""), 3, generator()) == ["", "", ""]
    assert names(Speller("abcdef"), 1, generator(), max_length=3) == ["abc"]
    assert names(Speller("abc"), 1, generator(), max_length=3) == ["abc"]
    assert names(Speller("a"), 0, generator()) == []


def test_names_of_a_count_model_are_distributed_as_it_says():
    words = ["a"] * 6 + ["ab"] * 3 + ["b"]
    model = NGram(3, k=0).fit(*data.windows(words, 2))
    n = 20_000
    drawn = names(model, n, generator())
    assert set(drawn) == set(words)
    for word, share in [("a", 0.6), ("ab", 0.3), ("b", 0.1)]:
        assert drawn.count(word) / n == pytest.approx(share, abs=5 * math.sqrt(0.25 / n))
    assert drawn == names(model, n, generator()) != names(model, n, generator(2))
    assert set(names(model, 50, generator(), temperature=0)) == {"a"}


def test_models_of_layers_sample_in_eval_mode_and_come_back():
    g = generator()
    normal = layers.BatchNorm1d(27)
    model = layers.Sequential(
        layers.Embedding(27, 27, generator=g), layers.Flatten(), normal
    )
    model.block = 1
    before = normal.running_mean.clone()
    assert len(names(model, 1, g, max_length=4)) == 1  # a batch of one would stop in training
    assert model.training and normal.training and torch.equal(normal.running_mean, before)
    model.eval()
    names(model, 1, g, max_length=4)
    assert not model.training


def test_back_in_training_after_an_error_too():
    model = layers.Sequential(layers.Embedding(27, 5, generator=generator()), layers.Flatten())
    model.block = 1
    with pytest.raises(ValueError, match=r"shape \(3, 5\) for 3 contexts: \(3, 27\)"):
        names(model, 3, generator())
    assert model.training


@pytest.mark.parametrize("count", [-1, 2.5, None, "3", True, math.inf])
def test_a_count_or_a_length_that_is_none_is_said(count):
    model = NGram(2).fit(*data.windows(["anna"], 1))
    with pytest.raises(ValueError, match="count is a whole number, 0 or more, not"):
        names(model, count, generator())
    with pytest.raises(ValueError, match="max_length is a whole number, 1 or more, not"):
        names(model, 3, generator(), max_length=count)
    with pytest.raises(ValueError, match="max_length"):
        names(model, 3, generator(), max_length=0)
    assert names(model, 3.0, generator(), max_length=5) == names(model, 3, generator(), 1, 5.0)
