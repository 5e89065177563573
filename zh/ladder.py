"""The ladder of Part II: every model on the same names, and which of its steps are noise.

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

The standard error of two means that share nothing: Welch 1947.
"""

from __future__ import annotations

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
# What is noise


class Step(NamedTuple):
    """From one rung to the next: how much lower the loss is, and how sure that is."""

    below: str
    above: str
    gain: float                     # mean loss below minus mean loss above: above 0 is better
    error: float                    # standard error of the gain
    sure: bool                      # the gain is more than two standard errors from 0

    def __str__(self):
        verdict = ("noise" if not self.sure else "better" if self.gain > 0 else "worse")
        return (f"{self.below} -> {self.above}: {self.gain:+.4f} +- {self.error:.4f}, {verdict}")


def compare(below, above, paired=False):
    """(gain, error, sure) of two lists of losses: the difference of their means.

    paired=False: the lists share nothing; the error is sqrt(var/n + var/n) (Welch 1947). A list of
        one is a model without a seed: it adds no error of its own.
    paired=True: entry i of both was measured on the same split; the error is that of the mean of
        the differences.
    `sure` is |gain| > 2 * error: with few runs a rule of thumb and no proof, and with no error at
    all (two models without a seed) any difference counts.
    """
    below, above = list(below), list(above)
    if paired:
        if len(below) != len(above):
            raise ValueError(f"pairs need two lists of one length, not {len(below)} and "
                             f"{len(above)}: entry i of both is the same split.")
        if len(below) < 2:
            raise ValueError("one pair has no spread: paired=True needs two pairs or more.")
        differences = [a - b for a, b in zip(below, above, strict=True)]
        gain, error = statistics.fmean(differences), _error(differences)
    else:
        gain = statistics.fmean(below) - statistics.fmean(above)
        error = math.hypot(_error(below), _error(above))
    return gain, error, abs(gain) > 2 * error


def _error(values):
    """Standard error of the mean of `values`; 0 for a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def steps(rungs, part="dev", paired=False):
    """A `Step` for each rung of a recorded ladder and the one after it."""
    return [Step(a["name"], b["name"], *compare(a[part], b[part], paired))
            for a, b in zip(rungs, rungs[1:], strict=False)]
