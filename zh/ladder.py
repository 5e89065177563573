"""The ladder of Part II: every model on the same names, and which of its steps are shown.

    from zh import ladder, recorded
    found = recorded.load("ladder")
    for step in ladder.steps(found["rungs"]):
        print(step)

`benchmarks/ladder.py` climbs it and records what came out; the tests climb it again with short
runs.  All models see the same split by distinct name.  What a count model has to choose (its k, and
whether it backs off) is chosen on the development set; the test set chooses nothing.

A difference of two means says little without its standard error.  Two kinds of chance are in it:
the seed of a network (its first weights and its minibatches), and the names that happen to stand
in the development set.  On one fixed split only the first is seen, and a count model has no
seed.  Over several splits both are seen, and the models can be compared split by split, as pairs:
a split with hard names is hard for all of them, and falls out of the difference.

No error bar knows the budget.  All networks here see the same number of examples, and one that
learns more slowly may be surely worse at that number and level with the others at twice as many:
the sweep "steps" of `benchmarks/sweeps.py` shows it for batch normalisation.

The standard error of two means that share nothing: Welch 1947; of means over re-cuts of one list:
Nadeau and Bengio 2003.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from zh import data, training
from zh.mlp import MLP
from zh.ngrams import NGram
from zh.wavenet import WaveNet

BATCH, STEPS, SHORT = 64, 20_000, 600
RATES = (0.1, 0.2, 0.3, 0.5, 0.7)       # tops of the cosine that `tune` tries
KS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)


class Rung(NamedTuple):
    """One model of the ladder.  `make(generator)` for a network, `n` for a count model."""

    name: str
    block: int                      # letters of context
    n: int = 0                      # n of the n-gram; 0 for a network
    make: Callable | None = None
    lr: float = 0.0                 # the top of the cosine; tuned once, on the development set


RUNGS = (
    Rung("uniform", 0),
    Rung("unigram", 0, n=1),
    Rung("bigram", 1, n=2),
    Rung("trigram", 2, n=3),
    Rung("4-gram", 3, n=4),
    Rung("MLP", 3, make=lambda g: MLP(generator=g), lr=0.5),
    Rung("MLP + batchnorm", 3, make=lambda g: MLP(batchnorm=True, generator=g), lr=0.3),
    Rung("WaveNet", 8, make=lambda g: WaveNet(generator=g), lr=0.3),
)


def windows(block, split_seed=0, words=None):
    """The three parts of the bundled names as windows: [(X, Y)] of train, dev and test."""
    parts = data.split(data.names("bundled") if words is None else words, seed=split_seed)
    return [data.windows(part, max(block, 1)) for part in parts]


def corpus(split_seed=0):
    """What the runs of a split are made from: sizes, and a digest that changes when a name does."""
    parts = data.split(data.names("bundled"), seed=split_seed)
    digest = hashlib.sha256("\n".join(word for part in parts for word in part).encode())
    return {"names": "bundled", "distinct": sum(map(len, parts)),
            "parts": [len(part) for part in parts],
            "windows": [sum(len(word) + 1 for word in part) for part in parts],
            "digest": digest.hexdigest()[:12]}


def climb(rung, parts, seed=0, steps=STEPS):
    """Fit or train one rung; returns its mean negative log-likelihoods, in nats, and its cost.

    parts: `windows(rung.block)`.  seed: of a network's weights and minibatches.
    Returns a dict: train, dev, test, params, seconds, and for a count model what was chosen.
    """
    start = time.perf_counter()
    if rung.make is not None:
        model, chosen = _network(rung, parts[0], seed, steps), {}
        params = sum(p.numel() for p in model.parameters())
    elif rung.n:
        model, chosen = _counts(rung.n, parts)
        params = model.contexts * model.vocab
    else:
        model, chosen, params = _uniform, {}, 0
    seconds = time.perf_counter() - start
    losses = [training.evaluate(model, X, Y) for X, Y in parts]
    return dict(zip(("train", "dev", "test"), losses, strict=True), params=params,
                seconds=round(seconds, 2), **chosen)


def tune(rung, parts, seed=100, steps=STEPS, rates=RATES):
    """One run of a network for each rate; the seed stands in no table of the ladder.

    Returns {"seed", "rates", "dev", "best"}: the development losses in the order of the rates, and
    the rate with the lowest. One seed: rates whose losses are closer than the seeds spread are
    not told apart.
    """
    dev = [climb(rung._replace(lr=lr), parts, seed, steps)["dev"] for lr in rates]
    return {"seed": seed, "rates": list(rates), "dev": dev, "best": rates[dev.index(min(dev))]}


def _uniform(X):
    return torch.zeros(len(X), len(data.ALPHABET), dtype=torch.float64)


def _counts(n, parts):
    """The n-gram whose k and kind of smoothing do best on the development set."""
    found = []
    for backoff in (False, True):
        model = NGram(n, backoff=backoff).fit(*parts[0])
        for k in KS:
            model.k = k
            found.append((training.evaluate(model, *parts[1]), backoff, k))
    _, backoff, k = min(found)
    return NGram(n, k=k, backoff=backoff).fit(*parts[0]), {"k": k, "backoff": backoff}


def _network(rung, train, seed, steps):
    generator = torch.Generator().manual_seed(seed)
    model = rung.make(generator)
    training.train(model, lambda g: data.batch(*train, BATCH, g), steps,
                   lr=training.cosine(rung.lr, steps), generator=generator, progress=False)
    return model


# ---------------------------------------------------------------------------
# What is known of a difference


class Gain(NamedTuple):
    """A difference of two mean losses, and how sure it is."""

    gain: float                     # mean loss below minus mean loss above: above 0 is better
    error: float                    # standard error of the gain; NaN when nothing is known of it
    sure: bool                      # the 95 % interval of the gain leaves 0 out

    @property
    def verdict(self):
        """"better", "worse", "cannot tell" (which is not "equal"), or "one run each"."""
        if math.isnan(self.error):
            return "one run each"
        return "cannot tell" if not self.sure else "better" if self.gain > 0 else "worse"


class Step(NamedTuple):
    """From one rung to the next: how much lower the loss is, and how sure that is."""

    below: str
    above: str
    gain: float
    error: float
    sure: bool

    @property
    def verdict(self):
        """As of `Gain`."""
        return Gain(self.gain, self.error, self.sure).verdict

    def __str__(self):
        error = "" if math.isnan(self.error) else f" +- {self.error:.4f}"
        return f"{self.below} -> {self.above}: {self.gain:+.4f}{error}, {self.verdict}"


# Student's t: a value stays within this many standard errors in 95 % of cases; index: degrees of
# freedom, from 1. (Student 1908; tests/unit/test_ladder.py integrates the density.)
T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
       2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860)
RECUT = 1 / 8           # names asked over names learnt from: `data.split` cuts 80, 10, 10


def bar(degrees):
    """How many standard errors from 0 a gain must lie. Fractions and what is over 20 round down."""
    return T95[min(int(degrees), len(T95)) - 1]


def compare(below, above, paired=False):
    """`Gain` (gain, error, sure) of two lists of losses: the difference of their means.

    paired=False: the lists share nothing; the error is sqrt(var/n + var/n), its degrees of freedom
        are Welch's (1947). A list of one is a model without a seed: it adds no error of its own.
        Two lists of one say nothing of the error: it is NaN, and the gain is not sure.
    paired=True: entry i of both belongs together (the same seed, the same minibatches); the error
        is that of the mean of the differences, with n - 1 degrees of freedom.
    paired="splits": entry i of both was measured on the same split, and the splits are re-cuts of
        one list. They share most of the names that they learn from, so they are no independent
        experiments, and the error grows by sqrt(1 + n / 8) (Nadeau and Bengio 2003).

    `sure`: |gain| is more than `bar(degrees)` errors, Student's t for 95 %: 2.78 for five pairs
    and 4.30 for three, not 2. One such verdict in twenty is wrong where there is no difference.
    """
    below, above = _losses(below, "below"), _losses(above, "above")
    if paired not in (False, True, "splits"):
        raise ValueError(f'paired is {paired!r}; it is False, True or "splits".')
    if paired:
        if len(below) != len(above):
            raise ValueError(f"pairs need two lists of one length, not {len(below)} and "
                             f"{len(above)}: entry i of both is the same split or seed.")
        if len(below) < 2:
            raise ValueError("one pair has no spread: a pairing needs two pairs or more.")
        differences = [a - b for a, b in zip(below, above, strict=True)]
        gain, error, degrees = statistics.fmean(differences), _error(differences), len(below) - 1
        if paired == "splits":
            error *= math.sqrt(1 + len(below) * RECUT)
    else:
        gain = statistics.fmean(below) - statistics.fmean(above)
        errors = [(_error(losses), len(losses) - 1) for losses in (below, above)]
        error, known = math.hypot(*(e for e, _ in errors)), [(e, n) for e, n in errors if n]
        if not known:
            return Gain(gain, math.nan, False)
        least = min(n for _, n in known)
        # Welch and Satterthwaite; through the shares of the error, which do not underflow
        degrees = max(least, 1 / sum((e / error) ** 4 / n for e, n in known)) if error else least
    return Gain(gain, error, abs(gain) > bar(degrees) * error)


def _losses(values, which):
    """The list, if it is one of finite losses."""
    values = list(values)
    if not values:
        raise ValueError(f"the list {which!r} is empty: it needs one loss or more.")
    if wrong := [value for value in values if not math.isfinite(value)]:
        raise ValueError(f"the list {which!r} has {wrong[0]} in it: a run that diverged has no "
                         "place in a mean. Say how many did, and compare the others.")
    return values


def _error(values):
    """Standard error of the mean of `values`; 0 for a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def steps(rungs, part="dev", paired=False):
    """A `Step` for each rung of a recorded ladder and the one after it.

    paired=True compares entry by entry; rows that say they were measured on several splits are
    compared as "splits".
    """
    return [Step(a["name"], b["name"], *compare(a[part], b[part], _pairing(a, paired)))
            for a, b in zip(rungs, rungs[1:], strict=False)]


def _pairing(row, paired):
    return "splits" if paired and len(set(row.get("split", []))) > 1 else paired


def verdict(below, above, a, b, paired=False):
    """What both parts say of two recorded rows, for a record.

    below, above: names. a, b: rows with lists under "dev" and "test".
    Returns {"below", "above", "dev": {"gain", "error", "verdict"}, "test": {...}}; a part that one
    row lacks is left out, an error that is not known is None. The development set has chosen
    rates and k; the test set has chosen nothing, and decides.
    """
    found = {"below": below, "above": above}
    for part in ("dev", "test"):
        if part in a and part in b:
            gained = compare(a[part], b[part], _pairing(a, paired))
            error = None if math.isnan(gained.error) else gained.error
            found[part] = {"gain": gained.gain, "error": error, "verdict": gained.verdict}
    return found
