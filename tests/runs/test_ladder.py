"""Short runs of each rung against the record; and the arithmetic of a difference.

Two tests hold a network to its record.

The same seed again: seed 0 of the recorded short runs must give the recorded losses to 1e-5. This
one sees a changed model. How wide 1e-5 is was measured: with the vector instructions of PyTorch
and MKL set to AVX-512, AVX2, none, and SSE 4.2, with one thread and with two, the losses of a short
run move by 1.6e-8 at most. What a broken model moves them by is in `BROKEN`: the least of them is
a thousand times the tolerance, and each of them must fail.

An eleventh seed, 1000, must land inside the spread of the ten: their mean and four standard
deviations to either side. This one sees what the first cannot: a result that holds for one seed
alone. It is wide (0.05 to either side for the networks with batch normalisation), so it does not
see what moves a short run by less; `GROSS` are five that it does see.

Count models have no seed: they must give the recorded loss to nine digits, with the recorded k.
"""
import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zh import ladder, recorded, training
from zh.layers import BatchNorm1d, FlattenConsecutive, Sequential, Tanh
from zh.mlp import MLP
from zh.wavenet import WaveNet

FOUND = recorded.load("ladder")
SHORT = {row["name"]: row for row in FOUND["short"]}
NETWORKS = [rung for rung in ladder.RUNGS if rung.make]
COUNTS = [rung for rung in ladder.RUNGS if not rung.make]
FRESH = 1000
PARTS = ("train", "dev", "test")
CLOSE = 1e-5


@pytest.fixture(scope="module")
def parts():
    """The three parts of the fixed split, for a context of `block` letters; made once each."""
    made = {}

    def get(block):
        if block not in made:
            made[block] = ladder.windows(block)
        return made[block]

    return get


def interval(row, part):
    """Mean and four standard deviations to either side, of the recorded short runs."""
    losses = row[part]
    mean, spread = statistics.fmean(losses), statistics.stdev(losses)
    return mean - 4 * spread, mean + 4 * spread


def apart(run, row, seed=0):
    """The largest distance of a run from the recorded run of the same seed, over the parts."""
    i = row["seed"].index(seed)
    return max(abs(run[part] - row[part][i]) for part in PARTS)


def test_the_record_is_of_this_corpus():
    """Another list of names, or another split of it, has other losses: then climb again."""
    assert FOUND["corpus"] == ladder.corpus(), \
        "the bundled names or their split have changed: run python benchmarks/ladder.py again"


def test_the_digest_of_the_corpus_sees_names_and_split():
    """Not only how many there are."""
    assert ladder.corpus(split_seed=1)["parts"] == ladder.corpus()["parts"]
    assert ladder.corpus(split_seed=1)["digest"] != ladder.corpus()["digest"]


@pytest.mark.parametrize("rung", NETWORKS, ids=lambda rung: rung.name)
def test_a_recorded_short_run_comes_out_again(rung, parts):
    row = SHORT[rung.name]
    assert (row["steps"], row["batch"], row["lr"]) == (ladder.SHORT, ladder.BATCH, rung.lr)
    run = ladder.climb(rung, parts(rung.block), 0, ladder.SHORT)
    assert run["params"] == row["params"]
    assert apart(run, row) < CLOSE, f"{rung.name} is not the model that was recorded"


@pytest.mark.parametrize("rung", NETWORKS, ids=lambda rung: rung.name)
def test_a_fresh_short_run_lands_inside_the_recorded_spread(rung, parts):
    row = SHORT[rung.name]
    assert FRESH not in row["seed"] and len(row["seed"]) >= 10
    run = ladder.climb(rung, parts(rung.block), FRESH, ladder.SHORT)
    for part in PARTS:
        low, high = interval(row, part)
        assert low < run[part] < high, (rung.name, part)


@pytest.mark.parametrize("rung", COUNTS, ids=lambda rung: rung.name)
def test_count_models_give_the_recorded_losses(rung, parts):
    row = SHORT[rung.name]
    run = ladder.climb(rung, parts(rung.block))
    for part in PARTS:
        assert [run[part]] == pytest.approx(row[part], rel=1e-9)
    if rung.n:
        assert ([run["k"]], [run["backoff"]]) == (row["k"], row["backoff"])
    else:
        assert run["dev"] == pytest.approx(math.log(27), rel=1e-12)


# What is broken, by network: a rung that is changed, or windows that are.


class WrongAxis(BatchNorm1d):
    """Mean and variance over axis 0 alone, also where there is a second axis of examples."""

    def _batch_statistics(self, x):
        mean, var = x.mean(0), x.var(0, unbiased=False)
        with torch.no_grad():
            self.running_mean = self.running_mean + self.momentum * (mean - self.running_mean)
            self.running_var = self.running_var + self.momentum * (var - self.running_var)
        return mean, var


class Halves(FlattenConsecutive):
    """Joins the first half with the second in place of neighbours."""

    def forward(self, x):
        x = torch.cat(x.chunk(2, 1), -1)
        return x[:, 0] if x.shape[1] == 1 else x


def without(kind, make):
    """The same network without its layers of one kind."""
    return lambda g: Sequential(*(layer for layer in make(g) if not isinstance(layer, kind)))


def swapped(kind, other, make):
    """The same network with another layer where one of this kind stood."""
    def made(generator):
        model = make(generator)
        model.layers = [other(layer) if isinstance(layer, kind) else layer for layer in model]
        return model
    return made


def lagging(make):
    """Running statistics that lag far behind."""
    def made(generator):
        model = make(generator)
        for layer in model:
            if isinstance(layer, BatchNorm1d):
                layer.momentum = 0.001
        return model
    return made


def plain(g):
    return MLP(generator=g)


def normal(g):
    return MLP(batchnorm=True, generator=g)


def tree(g):
    return WaveNet(generator=g)


def masked(windows, places):
    """The windows, with all letters but those of the last `places` places turned into marks."""
    return [(torch.cat([X[:, :-places] * 0, X[:, -places:]], 1), Y) for X, Y in windows]


def off_by_one(windows):
    (X, Y), *others = windows
    return [(X, Y.roll(1)), *others]


BROKEN = {  # what: (rung, changes of the rung, change of the windows)
    "MLP, a third of the rate": ("MLP", dict(lr=0.5 / 3), None),
    "MLP, no tanh": ("MLP", dict(make=without(Tanh, plain)), None),
    "MLP, half the width": ("MLP", dict(make=lambda g: MLP(hidden=100, generator=g)), None),
    "MLP, one letter": ("MLP", {}, lambda windows: masked(windows, 1)),
    "MLP, answers one row off": ("MLP", {}, off_by_one),
    "batchnorm, none": ("MLP + batchnorm", dict(make=without(BatchNorm1d, normal)), None),
    "batchnorm, lags": ("MLP + batchnorm", dict(make=lagging(normal)), None),
    "WaveNet, wrong axis": ("WaveNet", dict(make=swapped(
        BatchNorm1d, lambda layer: WrongAxis(len(layer.gain)), tree)), None),
    "WaveNet, halves joined": ("WaveNet", dict(make=swapped(
        FlattenConsecutive, lambda layer: Halves(layer.n), tree)), None),
    "WaveNet, no batchnorm": ("WaveNet", dict(make=without(BatchNorm1d, tree)), None),
    "WaveNet, four letters": ("WaveNet", {}, lambda windows: masked(windows, 4)),
    "WaveNet, half the rate": ("WaveNet", dict(lr=0.15), None),
    "WaveNet, half the width": ("WaveNet", dict(
        make=lambda g: WaveNet(hidden=34, generator=g)), None),
    "WaveNet, lags": ("WaveNet", dict(make=lagging(tree)), None),
}
GROSS = ("MLP, a third of the rate", "MLP, no tanh", "MLP, one letter",
         "MLP, answers one row off", "batchnorm, lags")


def broken_run(broken, parts, seed, steps):
    name, change, spoil = BROKEN[broken]
    rung = next(rung for rung in NETWORKS if rung.name == name)._replace(**change)
    windows = parts(rung.block)
    return ladder.climb(rung, spoil(windows) if spoil else windows, seed, steps), SHORT[name]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_model_is_not_the_recorded_one(broken, parts):
    """With room: the distance is a hundred times what the test above allows, or more."""
    run, row = broken_run(broken, parts, 0, ladder.SHORT)
    assert apart(run, row) > 100 * CLOSE


@pytest.mark.parametrize("broken", GROSS)
def test_what_is_grossly_broken_leaves_the_spread(broken, parts):
    run, row = broken_run(broken, parts, FRESH, ladder.SHORT)
    low, high = interval(row, "dev")
    assert not low < run["dev"] < high


def test_the_long_runs_are_recorded_with_their_seeds():
    """Five seeds a network on one split; on five splits every model; long beats short."""
    assert [row["name"] for row in FOUND["rungs"]] == [rung.name for rung in ladder.RUNGS]
    for row, rung in zip(FOUND["rungs"], ladder.RUNGS, strict=True):
        assert len(set(row["seed"])) == len(row["dev"]) == (5 if rung.make else 1)
        assert set(row["split"]) == {0}
        if rung.make:
            assert (row["steps"], row["lr"]) == (ladder.STEPS, rung.lr)
            assert max(row["dev"]) < min(SHORT[rung.name]["dev"])
    for row in FOUND["splits"]:
        assert row["split"] == FOUND["splits"][0]["split"] and len(set(row["split"])) == 5
        assert 0 not in row["split"]


@pytest.mark.parametrize("n, i", [(4, 0), (4, 4), (1, 2)])
def test_a_long_count_on_another_split_comes_out_again(n, i):
    row = next(row for row in FOUND["splits"] if row["block"] == n - 1 and "k" in row)
    rung = next(rung for rung in COUNTS if rung.n == n)
    row = next(row for row in FOUND["splits"] if row["name"] == rung.name)
    run = ladder.climb(rung, ladder.windows(rung.block, row["split"][i]))
    assert [run[part] for part in PARTS] == pytest.approx([row[part][i] for part in PARTS],
                                                          rel=1e-9)


# ---------------------------------------------------------------------------
# What is known of a difference


@pytest.mark.parametrize("degrees", range(1, len(ladder.T95) + 1))
def test_the_table_of_t_is_the_integral_of_its_density(degrees):
    """95 % of Student's distribution lie within the tabled number, by the trapezoid rule."""
    # t = sqrt(degrees) tan(angle): the density becomes a power of the cosine
    end = math.atan(ladder.T95[degrees - 1] / math.sqrt(degrees))
    angle = torch.linspace(-end, end, 20_001, dtype=torch.float64)
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.pi ** 0.5
    inside = scale * torch.trapezoid(angle.cos() ** (degrees - 1), angle)
    assert inside.item() == pytest.approx(0.95, abs=5e-6)


def test_the_bar_rounds_degrees_down():
    assert ladder.bar(4) == ladder.bar(4.99) == 2.7764
    assert ladder.bar(20) == ladder.bar(1e9) == 2.0860


LOSSES = st.lists(st.floats(1, 3), min_size=2, max_size=8)


@given(LOSSES, LOSSES)
def test_unpaired_is_welch(below, above):
    gain, error, sure = ladder.compare(below, above)
    a, b = torch.tensor(below, dtype=torch.float64), torch.tensor(above, dtype=torch.float64)
    va, vb = a.var() / len(a), b.var() / len(b)
    assert gain == pytest.approx((a.mean() - b.mean()).item(), abs=1e-12)
    assert error == pytest.approx((va + vb).sqrt().item(), abs=1e-9)
    if error > 1e-6:
        degrees = (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))
        bars = {ladder.bar(degrees.item() + rounding) for rounding in (-1e-6, 1e-6)}
        assert sure in {abs(gain) > bar * error for bar in bars}


def test_a_true_null_is_called_sure_in_one_case_of_twenty():
    """5,000 pairs of lists from one distribution: 5 %, and 11 % were the bar two errors."""
    g = torch.Generator().manual_seed(0)
    draws = torch.randn(5_000, 2, 5, generator=g, dtype=torch.float64).add(3).tolist()
    found = [ladder.compare(a, b, paired=True) for a, b in draws]
    sure = statistics.fmean(gain.sure for gain in found)
    two = statistics.fmean(abs(gain.gain) > 2 * gain.error for gain in found)
    assert 0.04 < sure < 0.06 and 0.10 < two < 0.13
    unpaired = statistics.fmean(ladder.compare(a, b).sure for a, b in draws)
    assert 0.03 < unpaired < 0.06


def test_pairs_see_through_what_they_share():
    """Two models 0.01 apart on splits that differ by 0.1: unpaired not told apart, in pairs so."""
    hard = [0.0, 0.1, 0.2, 0.3, 0.4]
    below = [2.01 + h for h in hard]
    above = [2.0 + h + d for h, d in zip(hard, [1e-3, -1e-3, 0, 1e-3, -1e-3], strict=True)]
    found = ladder.compare(below, above)
    assert found.gain == pytest.approx(0.01) and found.verdict == "cannot tell"
    found = ladder.compare(below, above, paired=True)
    assert found.gain == pytest.approx(0.01) and found.error == pytest.approx(1e-3 / 5 ** 0.5)
    assert found.verdict == "better"
    again = ladder.compare(below, above, paired="splits")
    assert again.gain == found.gain
    assert again.error == pytest.approx(1e-3 * (1 / 5 + 1 / 8) ** 0.5)


def test_a_model_without_a_seed_adds_no_error_and_two_of_them_know_none():
    for above in (2.25, 2.5 - 1e-7, 2.5):
        found = ladder.compare([2.5], [above])
        assert math.isnan(found.error) and not found.sure and found.verdict == "one run each"
    gain, error, sure = ladder.compare([2.5], [2.4, 2.6])
    assert gain == pytest.approx(0) and error == pytest.approx(0.1) and not sure
    five = [2.4, 2.41, 2.42, 2.43, 2.44]           # error 0.00707, four degrees of freedom
    assert ladder.compare([2.42 + 2.7 * 0.00707], five).verdict == "cannot tell"
    assert ladder.compare([2.42 + 2.9 * 0.00707], five).verdict == "better"


@pytest.mark.parametrize("below, above, paired, says", [
    ([1.0, 2.0], [1.0], True, "one length"), ([1.0], [2.0], True, "two pairs"),
    ([1.0], [2.0], "splits", "two pairs"), ([1.0, 2.0], [2.0, 3.0], "seeds", "paired is 'seeds'"),
    ([], [1.0], False, "'below' is empty"), ([1.0], [], False, "'above' is empty"),
    ([1.0, math.nan], [1.0, 2.0], False, "'below' has nan"),
    ([1.0, 2.0], [math.inf, 2.0], True, "'above' has inf")])
def test_what_cannot_be_compared_is_said(below, above, paired, says):
    with pytest.raises(ValueError, match=says):
        ladder.compare(below, above, paired)


def test_steps_say_better_worse_or_that_they_cannot_tell():
    rungs = [{"name": name, "dev": dev} for name, dev in
             [("a", [2.5]), ("b", [2.4, 2.41, 2.42]), ("c", [2.40, 2.41, 2.43]), ("d", [2.6]),
              ("e", [2.7])]]
    found = ladder.steps(rungs)
    assert [str(step).split(", ")[1] for step in found] == [
        "better", "cannot tell", "worse", "one run each"]
    assert (found[0].below, found[0].above) == ("a", "b")
    assert found[0].gain == pytest.approx(0.09)
    assert str(found[3]) == "d -> e: -0.1000, one run each"


def test_rows_that_say_several_splits_are_compared_as_such():
    rows = [{"name": name, "split": [1, 2, 3], "dev": dev, "test": dev} for name, dev in
            [("a", [2.5, 2.6, 2.7]), ("b", [2.4, 2.51, 2.62])]]
    want = ladder.compare(rows[0]["dev"], rows[1]["dev"], paired="splits")
    assert ladder.steps(rows, "test", paired=True)[0].error == want.error
    verdict = ladder.verdict("a", "b", *rows, paired=True)
    assert verdict["dev"] == verdict["test"] == {
        "gain": want.gain, "error": want.error, "verdict": want.verdict}
    one = ladder.verdict("a", "b", {"dev": [1.0]}, {"dev": [2.0], "test": [2.0]})
    assert one["dev"]["error"] is None and "test" not in one


@pytest.mark.parametrize("key, paired", [("rungs", False), ("splits", True)])
def test_the_recorded_verdicts_are_those_of_the_recorded_runs(key, paired):
    rows = FOUND[key]
    want = [ladder.verdict(a["name"], b["name"], a, b, paired)
            for a, b in zip(rows, rows[1:], strict=False)]
    assert FOUND["verdicts"][key] == want


def test_tuning_takes_the_rate_with_the_lowest_development_loss(parts):
    rung = NETWORKS[0]
    found = ladder.tune(rung, parts(3), seed=7, steps=40, rates=(0.01, 0.3))
    want = [ladder.climb(rung._replace(lr=lr), parts(3), 7, 40)["dev"] for lr in (0.01, 0.3)]
    assert found == {"seed": 7, "rates": [0.01, 0.3], "dev": want, "best": 0.3}


def test_evaluation_of_a_rung_is_that_of_training(parts):
    """`climb` reports what `training.evaluate` says of the model it made."""
    rung = next(r for r in COUNTS if r.name == "bigram")
    run = ladder.climb(rung, parts(1))
    from zh.ngrams import NGram
    model = NGram(2, k=run["k"], backoff=run["backoff"]).fit(*parts(1)[0])
    assert training.evaluate(model, *parts(1)[2]) == run["test"]
