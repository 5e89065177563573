"""Cases in which the network is sound and the number is not: what is averaged, over what, when."""
from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

from zh import data
from zh.clinic import bench
from zh.clinic.bench import seeded
from zh.clinic.case import Case, Run, View, late, loss_view
from zh.ngrams import NGram
from zh.training import evaluate

__all__ = ["CASES"]

# ---------------------------------------------------------------- the padding counted


def loss_of(scores, targets, ends):
    """The mean loss; targets behind the end mark of a name do not count."""
    targets = targets.masked_fill(ends, -1)
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=-1)


def loss_of_broken(scores, targets, ends):
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=-1)


def padded(names):
    """Names as rows: inputs and targets (N, T), and which targets stand behind the end mark."""
    T = bench.TEXT_BLOCK
    ids = [[0, *data.encode(name), 0] for name in names if len(name) + 1 <= T]
    full = torch.tensor([row + [0] * (T + 1 - len(row)) for row in ids])
    lengths = torch.tensor([len(row) - 1 for row in ids])
    return full[:, :-1], full[:, 1:], torch.arange(T) >= lengths[:, None]


def run_padding(part):
    train, dev = bench.names()
    x, y, ends = padded(train)
    model = bench.gpt(seeded(1))

    def draw(g):
        rows = torch.randint(len(x), (24,), generator=g)
        return x[rows], (y[rows], ends[rows])

    def step(model, optimizer, x, targets):
        loss = part(model(x), *targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses, recorder = bench.fit(model, draw, 120, generator=seeded(2), step=step,
                                 optimizer=bench.adam(model))
    xd, yd, ends_d = padded(dev)
    with torch.no_grad():
        scores = model(xd)
        held = part(scores, yd, ends_d).item()
        letters = loss_of(scores, yd, ends_d).item()
    scores = torch.zeros(*yd.shape, 27, requires_grad=True)
    part(scores, yd, ends_d).backward()
    rows = model.generate(torch.zeros(6, 1, dtype=torch.int64), bench.TEXT_BLOCK - 1, seeded(3),
                          cache=False).tolist()                          # a name a row
    wrote = [data.decode(row[1:]).partition(".")[0] for row in rows]
    return Run(held, recorder, [loss_view(losses)],
               {"minibatches": late(losses)}, text="it writes: " + ", ".join(wrote),
               things={"counted": int(scores.grad.any(-1).sum()),
                       "letters": sum(len(name) + 1 for name in dev), "on_letters": letters})


def check_padding(counted, letters):
    return counted == letters


# ---------------------------------------------------------------- held out, and trained on


def report(model, X, Y, Xd, Yd):
    """The loss on what it learns from, and on what was held out."""
    return {"train": evaluate(model, X, Y), "held out": evaluate(model, Xd, Yd)}


def report_broken(model, X, Y, Xd, Yd):
    return {"train": evaluate(model, X, Y), "held out": evaluate(model, X, Y)}


def run_report(part):
    few = list(bench.names()[0][:200])
    X, Y = data.windows(few, 4)
    Xd, Yd = data.windows(list(bench.names()[1]), 4)
    model = bench.mlp(seeded(1), block=4, hidden=96)
    told = []

    def after(number):
        if number % 50 == 49:
            told.append((number + 1, *part(model, X, Y, Xd, Yd).values()))

    losses, recorder = bench.fit(model, bench.batches(X, Y), 400, generator=seeded(2),
                                 optimizer=bench.adam(model, 0.01), after=after, every=25)
    steps, train, held = map(list, zip(*told, strict=True))
    return Run(held[-1], recorder,
               [View("loss", "step", {"train": (steps, train), "held out": (steps, held)})],
               {"train": train[-1]}, things={"train": train[-1], "held_out": held[-1]})


def check_report(train, held_out):
    return train != held_out


# ---------------------------------------------------------------- a name that was left over


def scores(model, X, b1):
    """The network by hand, layer after layer."""
    table, first, norm, last = model[0], model[2], model[3], model[5]
    h = table.weight[X].flatten(1) @ first.weight
    h = torch.tanh(norm(h))
    return h @ last.weight + last.bias


def scores_broken(model, X, b1):
    table, first, norm, last = model[0], model[2], model[3], model[5]
    h = table.weight[X].flatten(1) @ first.weight + b1
    h = torch.tanh(norm(h))
    return h @ last.weight + last.bias


@functools.cache
def b1_of_the_cell_above():
    """The bias of the hidden layer of another network: drawn, then trained, (HIDDEN,)."""
    X, Y = bench.windows()
    model = bench.mlp(seeded(28))
    model[2].bias.data = torch.randn(bench.HIDDEN, generator=seeded(29))
    bench.fit(model, bench.batches(X, Y), 300, generator=seeded(9))
    return model[2].bias.detach()


def run_scores(part):
    X, Y = bench.windows()
    Xd, Yd = bench.windows("dev")
    b1 = b1_of_the_cell_above()
    model = bench.mlp(seeded(1), norm=True)
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2))
    model.eval()
    with torch.no_grad():
        train = F.cross_entropy(part(model, X, b1), Y).item()
        held = F.cross_entropy(part(model, Xd, b1), Yd).item()
        by_hand, by_model = part(model, Xd[:50], b1), model(Xd[:50])
    return Run(held, recorder, [loss_view(losses)], {"minibatches": late(losses), "train": train},
               things={"by_hand": by_hand, "by_model": by_model, "b1": b1})


def check_scores(by_hand, by_model):
    return torch.allclose(by_hand, by_model, atol=1e-5)


# ---------------------------------------------------------------- a running sum


def mean_of(terms):
    """The mean of many small numbers, added one by one."""
    total = np.float64(0)
    total = np.cumsum(terms, dtype=total.dtype)[-1]
    return float(total) / len(terms)


def mean_of_broken(terms):
    total = np.float32(0)
    total = np.cumsum(terms, dtype=total.dtype)[-1]
    return float(total) / len(terms)


def run_mean(part):
    everybody = data.names("bundled")
    X, Y = data.windows(everybody, 1)
    table = NGram(2, k=1).fit(X, Y)
    terms = -table(X).log_softmax(-1).gather(1, Y[:, None])[:, 0].numpy()
    terms = np.tile(terms, -(-1_000_000 // len(terms)))[:1_000_000]
    here, sorted_, back = part(terms), part(np.sort(terms)), part(np.sort(terms)[::-1])
    X, Y = bench.windows()
    model = bench.mlp(seeded(1))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 100, generator=seeded(2))
    return Run(here, recorder, [], {"smallest first": sorted_, "largest first": back},
               things={"mean": here, "terms": terms})


def check_mean(mean, terms):
    return abs(mean - math.fsum(terms) / len(terms)) < 1e-6


# ---------------------------------------------------------------- histograms of different steps


def moments(without, with_norm):
    """The records of the two networks that are compared."""
    return without.records[-1], with_norm.records[-1]


def moments_broken(without, with_norm):
    return without.records[0], with_norm.records[-1]


@functools.cache
def two_networks():
    """Three tanh layers without batch normalisation and with it: their Recorders and losses."""
    X, Y = bench.windows()
    recorders, ends = [], []
    for norm in (False, True):
        model = bench.mlp(seeded(1), depth=3, norm=norm)
        with torch.no_grad():
            model[-1].weight *= 0.1
        losses, recorder = bench.fit(model, bench.batches(X, Y), 201, generator=seeded(2), lr=0.1,
                                     every=50)
        recorders.append(recorder)
        ends.append(late(losses))
    return recorders, ends


def run_moments(part):
    recorders, (loss_without, loss) = two_networks()
    one, other = part(*recorders)
    sizes, lines = [], {}
    for name, record in (("without", one), ("with batch normalisation", other)):
        tanhs = [layer for layer in record.layers.values() if layer.kind == "tanh"]
        lines[name] = ([1.0, 2.0, 3.0], [layer.grad.rms for layer in tanhs])
        sizes.append(tanhs[0].grad.rms)
    return Run(loss, recorders[1],
               [View("size of the gradient", "hidden layer", lines, log=True)],
               {"loss without": loss_without, "gradient without": sizes[0],
                "gradient with": sizes[1]},
               things={"one": one, "other": other})


def check_moments(one, other):
    return one.step == other.step


CASES = [
    Case("better-than-it-writes", "measuring", "the padding counted as letters", loss_of_broken,
         loss_of, run_padding, check_padding),
    Case("equal-to-the-last-digit", "measuring", "held out means the training set", report_broken,
         report, run_report, check_report),
    Case("a-small-gap", "measuring", "a bias of another model", scores_broken, scores,
         run_scores, check_scores),
    Case("the-order-of-a-sum", "measuring", "a running sum in float32", mean_of_broken, mean_of,
         run_mean, check_mean),
    Case("ten-times-the-gradient", "measuring", "two pictures of different steps",
         moments_broken, moments, run_moments, check_moments),
]
