"""Cases in which the data are at fault: what is asked, what is held out, what belongs together."""
from __future__ import annotations

import torch

from zh import data
from zh.clinic import bench
from zh.clinic.bench import seeded
from zh.clinic.case import Case, Run, View, late, loss_view, smooth
from zh.training import evaluate

__all__ = ["CASES"]

# ---------------------------------------------------------------- targets that are the inputs


def pairs(ids, at):
    """Inputs and targets of the pieces that stand at `at`, (B, T) each."""
    return ids[at], ids[at + 1]


def pairs_broken(ids, at):
    return ids[at], ids[at]


def run_pairs(part):
    ids = bench.stream()
    model = bench.gpt(seeded(1))
    losses, recorder = bench.fit(model, lambda g: part(ids, bench.places(ids, 16, g)), 120,
                                 generator=seeded(2), optimizer=bench.adam(model))
    x, y = part(ids, bench.places(ids, 16, seeded(3)))
    return Run(late(losses), recorder, [loss_view(losses)],
               text="it writes: " + bench.write(model, ".ma"), things={"x": x, "y": y})


def check_pairs(x, y):
    return torch.equal(x[:, 1:], y[:, :-1])


# ---------------------------------------------------------------- names in both parts


def divide(lines, g):
    """Nine tenths to learn from, one tenth to ask about."""
    lines = list(dict.fromkeys(lines))
    order = torch.randperm(len(lines), generator=g).tolist()
    lines = [lines[i] for i in order]
    cut = len(lines) * 9 // 10
    return lines[:cut], lines[cut:]


def divide_broken(lines, g):
    order = torch.randperm(len(lines), generator=g).tolist()
    lines = [lines[i] for i in order]
    cut = len(lines) * 9 // 10
    return lines[:cut], lines[cut:]


def lines_with_doubles():
    """A list as people keep it: each of 300 names on one line to six."""
    some = bench.names()[0][:300]
    times = torch.randint(1, 7, (len(some),), generator=seeded(5)).tolist()
    return [name for name, n in zip(some, times, strict=True) for _ in range(n)]


def run_divide(part):
    train, dev = part(lines_with_doubles(), seeded(6))
    X, Y = data.windows(train, 4)
    Xd, Yd = data.windows(dev, 4)
    model = bench.mlp(seeded(1), block=4, hidden=96)
    held = []

    def after(number):
        if number % 50 == 49:
            held.append((number + 1, evaluate(model, Xd, Yd)))

    losses, recorder = bench.fit(model, bench.batches(X, Y), 600, generator=seeded(2),
                                 optimizer=bench.adam(model, 0.02), after=after, every=50)
    new = evaluate(model, *data.windows(list(bench.names()[1]), 4))
    view = View("loss", "step", {"minibatches": smooth(losses),
                                 "held out": tuple(map(list, zip(*held, strict=True)))})
    return Run(held[-1][1], recorder, [view],
               {"minibatches": late(losses), "a friend's list": new},
               things={"train": train, "held_out": dev, "on_train": evaluate(model, X, Y)})


def check_divide(train, held_out):
    return not set(train) & set(held_out)


# ---------------------------------------------------------------- labels shuffled apart


def shuffle(X, Y, g):
    """The examples in a random order."""
    order = torch.randperm(len(X), generator=g)
    return X[order], Y[order]


def shuffle_broken(X, Y, g):
    X = X[torch.randperm(len(X), generator=g)]
    return X, Y[torch.randperm(len(Y), generator=g)]


def run_shuffle(part):
    X0, Y0 = bench.windows()
    X, Y = part(X0, Y0, seeded(7))
    model = bench.mlp(seeded(1))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2))
    return Run(late(losses), recorder, [loss_view(losses)],
               {"frequencies alone": bench.letter_entropy()}
               | bench.inside(recorder, "3", "2.weight"),
               things={"before": rows(X0, Y0), "after": rows(X, Y)})


def rows(X, Y):
    """Every example as a tuple: its context and its answer."""
    return {(*x, y) for x, y in zip(X.tolist(), Y.tolist(), strict=True)}


def check_shuffle(before, after):
    return after == before


# ---------------------------------------------------------------- two alphabets


def numbered(train, test):
    """Both lists as numbers: every letter has its place in the alphabet."""
    alphabet = "." + "".join(sorted(set("".join(train))))
    return alphabet, alphabet


def numbered_broken(train, test):
    alphabet = "." + "".join(sorted(set("".join(train))))
    return alphabet, "." + "".join(sorted(set("".join(test))))


def renumber(names, alphabet, block=bench.BLOCK):
    """Windows of names whose letters are numbered by their place in `alphabet`."""
    X, Y = data.windows(list(names), block)
    table = torch.tensor([max(alphabet.find(letter), 0) for letter in data.ALPHABET])
    return table[X], table[Y]


def run_numbered(part):
    train, dev = bench.names()
    test = [name for name in dev if not set(name) & set("bx")][:100]
    ours, theirs = part(train, test)
    X, Y = renumber(train, ours)
    Xt, Yt = renumber(test, theirs)
    model = bench.mlp(seeded(1))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2))
    return Run(evaluate(model, Xt, Yt), recorder,
               [loss_view(losses)],
               {"minibatches": late(losses)}, things={"trained_with": ours, "asked_with": theirs})


def check_numbered(trained_with, asked_with):
    return trained_with == asked_with


CASES = [
    Case("nearly-zero", "data", "targets are the inputs", pairs_broken, pairs, run_pairs,
         check_pairs),
    Case("as-good-on-new", "data", "the same names in both parts", divide_broken, divide,
         run_divide, check_divide),
    Case("stuck-at-one-number", "data", "answers shuffled apart from their contexts",
         shuffle_broken, shuffle, run_shuffle, check_shuffle),
    Case("worse-than-guessing", "data", "two alphabets", numbered_broken, numbered, run_numbered,
         check_numbered),
]
