"""What the lectures' list of names leaks, and what a table of counts makes of it.

    ZH_DATA=<folder with names.txt> python benchmarks/leaks.py [--steps 200000]

32,033 lines hold 29,494 names: 2,539 lines repeat a name.  The lectures shuffle the lines and cut
them 80/10/10.  Counted here: how many development names stand in the training part too; the losses
of count tables and of the lectures' network (an MLP with the same three letters of context) on
that split and on a split by distinct name; by how much the network is ahead of a table of its
context, also on the names that the training part holds and on those that it does not; and the
numbers of the second makemore lecture that do not depend on a split.  Writes the recorded result
"leaks".  About five minutes.
"""

import argparse
import random
import time

import torch

from zh import data, recorded, training
from zh.mlp import MLP
from zh.ngrams import NGram

STRENGTHS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0, 5.0)


def by_line(lines):
    """The lectures' split: shuffle the lines with Python's generator, seed 42, and cut."""
    lines = list(lines)
    random.seed(42)
    random.shuffle(lines)
    a, b = int(0.8 * len(lines)), int(0.9 * len(lines))
    return lines[:a], lines[a:b], lines[b:]


def tables(parts):
    """Count models of 1 to 8 letters, add-k and back-off, k chosen on the development part."""
    windows = [data.windows(part, 7) for part in parts]
    rows = []
    for n in range(1, 9):
        for backoff in (False, True):
            model = NGram(n, backoff=backoff).fit(*windows[0])

            def dev(k, model=model):
                model.k = k
                return model.nll(*windows[1])

            k = min(STRENGTHS, key=dev)
            model.k = k
            train, held, test = (model.nll(*part) for part in windows)
            rows.append({"n": n, "backoff": backoff, "k": k,
                         "train": train, "dev": held, "test": test})
    tenth = four_letters(parts)
    return {"best": rows, "four_letters_k_0.1": [tenth.nll(*part) for part in windows]}


def four_letters(parts):
    """The count table with the network's context: 3 letters, and k = 0.1."""
    return NGram(4, k=0.1).fit(*data.windows(parts[0], 3))


def network(parts, seed, steps):
    """The lecture's MLP (3 letters, 10 numbers a letter, 200 units), trained."""
    X, Y = data.windows(parts[0], 3)
    g = torch.Generator().manual_seed(seed)
    model = MLP(3, 10, 200, generator=g)
    training.train(
        model, lambda g: data.batch(X, Y, 32, g), steps, generator=g, progress=False,
        lr=lambda step: 0.1 if step < steps // 2 else 0.01)
    return model


@torch.no_grad()
def ahead(names, table, models):
    """By how much the networks' loss (the mean of their losses) is below the table's.

    In nats a letter, with its standard error: the spread from name to name, over the root of
    their number.  Below zero: the table is ahead.
    """
    X, Y = data.windows(names, 3)

    def losses(model):                                           # (letters,)
        return torch.nn.functional.cross_entropy(model(X).double(), Y, reduction="none")

    counted = losses(table)
    nets = torch.stack([losses(model) for model in models]).mean(0)
    length = torch.tensor([len(name) + 1.0 for name in names], dtype=torch.float64)
    which = torch.arange(len(names)).repeat_interleave(length.long())
    sums = torch.zeros_like(length).index_add_(0, which, counted - nets)
    mean = sums.sum() / length.sum()
    error = (sums - mean * length).square().sum().sqrt() / length.sum()
    return {"names": len(names), "table": counted.mean().item(), "mlp": nets.mean().item(),
            "ahead": mean.item(), "error": error.item()}


def second_lecture(lines):
    """What the second makemore lecture shows, on all lines."""
    X, Y = data.windows(lines, 1)
    x = X[:, 0]
    N = torch.zeros(27, 27, dtype=torch.float64)
    N.index_put_((x, Y), torch.ones(len(Y), dtype=torch.float64), accumulate=True)

    def loss(P):
        return -P[x, Y].log().mean().item()

    wrong = N / N.sum(1)
    logp = (N / N.sum(1, keepdim=True))[x, Y].log().float()
    running = torch.zeros(())
    for value in logp:
        running += value
    return {
        "pairs": len(Y), "cells": int((N > 0).sum()), "bigram": loss(N / N.sum(1, keepdim=True)),
        "without_keepdim": loss(wrong), "row_sums": wrong.sum(1)[:3].tolist(),
        "smoothed": {str(k): loss((N + k) / (N + k).sum(1, keepdim=True))
                     for k in (1, 10, 100, 1000)},
        "running_sum_float32": running.item(), "sum_float64": logp.double().sum().item(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    start = time.perf_counter()
    torch.set_num_threads(1)
    try:
        lines = data.names("makemore", distinct=False)
    except data.CorpusError as error:
        print(f"not run: {error}")
        return
    names = data.names("makemore")
    parts = by_line(lines)
    splits = {}
    for name, cut in (("by line", parts), ("by distinct name", data.split(names))):
        inside, held = set(cut[0]), [*cut[1], *cut[2]]
        windows = [data.windows(part, 3) for part in cut]
        models = [network(cut, seed, options.steps) for seed in range(1, options.seeds + 1)]
        groups = {"dev": cut[1], "test": cut[2], "held out": held,
                  "held out, counted": [word for word in held if word in inside],
                  "held out, unseen": [word for word in held if word not in inside]}
        table = four_letters(cut)
        splits[name] = {
            "sizes": [len(part) for part in cut],
            "in_train": [sum(word in inside for word in part) for part in cut[1:]],
            "tables": tables(cut),
            "mlp": [[training.evaluate(model, *part) for part in windows] for model in models],
            "network_ahead": {group: ahead(chosen, table, models)
                              for group, chosen in groups.items() if chosen},
        }
        print(name, splits[name], flush=True)
    recorded.save("leaks", {
        **recorded.provenance("benchmarks/leaks.py", time.perf_counter() - start),
        "seeds": list(range(1, options.seeds + 1)),
        "corpus": {"lines": len(lines), "names": len(names), "sha256": data.CORPORA["makemore"][2]},
        "dev_in_train": splits["by line"]["in_train"][0] / len(parts[1]),
        "test_in_train": splits["by line"]["in_train"][1] / len(parts[2]),
        "lecture": second_lecture(lines),
        "splits": splits,
    })


if __name__ == "__main__":
    main()
