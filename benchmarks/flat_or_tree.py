"""Eight letters through flat layers or through a tree, with about the same number of parameters.

    python benchmarks/flat_or_tree.py [tune] [tuned] [splits] [plain] [again]

Three flat networks stand beside the tree: one hidden layer, one with batch normalisation, and as
many hidden layers as the tree has, each with batch normalisation. The last is the control: a tree
differs from one flat layer by its depth and by its fusing, and from three flat layers by fusing.

tune    one run of seed 100 for every network and rate (`ladder.RATES`), on the development set.
tuned   as the ladder: its steps and minibatches, its five seeds, a cosine whose top is the best
        rate of `tune`. The tree is the WaveNet of the ladder, tuned by benchmarks/ladder.py.
splits  the flat one with three layers once on each of the ladder's five other splits, at its rate.
plain   20,000 minibatches of 32, learning rate 0.1 and then 0.01 for all, as in the lecture;
        six seeds.

Recorded row by row in zh/recorded/flat_or_tree.json, each row with its own date and commit; a row
that is there is kept, unless `again` is given. "other_rates" keeps five seeds of the flat layer at
the rate of the same network with three letters. About 20 minutes on one core.
"""
from __future__ import annotations

import time

import torch

from zh import data, ladder, recorded, training
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
from zh.mlp import MLP
from zh.wavenet import WaveNet

STEPS, SEEDS = 20_000, range(1, 7)          # of `plain`
KEYS = ("tune", "tuned", "splits", "models", "other_rates")
SCRIPT = "benchmarks/flat_or_tree.py"


def deep(generator, block=8, dim=10, hidden=81, depth=3, vocab=27):
    """The tree's number of hidden layers, each over everything: no fusing, nothing shared."""
    layers = [Embedding(vocab, dim, generator=generator), Flatten()]
    for level in range(depth):
        layers += [Linear(hidden if level else block * dim, hidden, bias=False,
                          generator=generator), BatchNorm1d(hidden), Tanh()]
    return Sequential(*layers, Linear(hidden, vocab, gain=0.1, generator=generator))


FLAT = {"flat": lambda g: MLP(8, 10, 200, generator=g),
        "flat + batchnorm": lambda g: MLP(8, 10, 200, batchnorm=True, generator=g),
        "flat, three layers": deep}
TREE = {"tree": lambda g: WaveNet(8, 10, 68, generator=g)}


def load() -> dict:
    return recorded.load("flat_or_tree", {})


def save(key: str, name: str, row: dict, seconds: float) -> None:
    """Record one row, and where it comes from."""
    result = load()
    row["made"] = recorded.made(seconds)
    result.setdefault(key, {})[name] = row
    total = sum(row.get("made", {}).get("seconds", 0.0)
                for part in KEYS for row in result.get(part, {}).values())
    recorded.save("flat_or_tree", {**result, **recorded.provenance(SCRIPT, total),
                                   "command": f"python {SCRIPT}", "verdicts": verdicts(result)})


def verdicts(result: dict) -> dict:
    """{recipe: [flat less tree, on dev and test]}, with what is recorded so far."""
    rungs = {row["name"]: row for row in recorded.load("ladder")["rungs"]}
    recipes = {"plain": result.get("models", {}),
               "tuned": {**result.get("tuned", {}), "tree": rungs["WaveNet"]}}
    found = {recipe: [ladder.verdict(name, "tree", row, rows["tree"])
                      for name, row in rows.items() if name != "tree" and "tree" in rows]
             for recipe, rows in recipes.items()}
    tree = next(row for row in recorded.load("ladder")["splits"] if row["name"] == "WaveNet")
    found["splits"] = [ladder.verdict(name, "tree", row, tree, paired=True)
                       for name, row in result.get("splits", {}).items()]
    return found


def tune(again: bool) -> None:
    """{model: {lr: dev loss of seed 100}}, the ladder's recipe."""
    parts = ladder.windows(8)
    for name, make in FLAT.items():
        if not again and name in load().get("tune", {}):
            continue
        start = time.perf_counter()
        found = ladder.tune(ladder.Rung(name, 8, make=make), parts)
        save("tune", name, found, time.perf_counter() - start)
        print("tune", name, found, flush=True)


def tuned(again: bool) -> None:
    """{model: {params, lr, dev, test, train}} of the flat ones, the ladder's recipe."""
    parts, tune = ladder.windows(8), load()["tune"]
    for name, make in FLAT.items():
        rung = ladder.Rung(name, 8, make=make, lr=tune[name]["best"])
        if not again and load().get("tuned", {}).get(name, {}).get("lr") == rung.lr:
            continue
        start = time.perf_counter()
        runs = [ladder.climb(rung, parts, seed) for seed in range(5)]
        row = {"params": runs[0]["params"], "lr": rung.lr, "seed": list(range(5)),
               **{key: [run[key] for run in runs] for key in ("dev", "test", "train")}}
        save("tuned", name, row, time.perf_counter() - start)
        print("tuned", name, rung.lr, [round(loss, 4) for loss in row["dev"]], flush=True)


def splits(again: bool) -> None:
    """{model: {params, lr, split, dev, test, train}}: other names to learn from and to be asked."""
    name = "flat, three layers"
    if not again and name in load().get("splits", {}):
        return
    start, rung = time.perf_counter(), ladder.Rung(name, 8, make=deep,
                                                   lr=load()["tune"][name]["best"])
    numbers = range(1, 6)
    runs = [ladder.climb(rung, ladder.windows(8, split), split) for split in numbers]
    row = {"params": runs[0]["params"], "lr": rung.lr, "split": list(numbers),
           "seed": list(numbers),
           **{key: [run[key] for run in runs] for key in ("dev", "test", "train")}}
    save("splits", name, row, time.perf_counter() - start)
    print("splits", name, [round(loss, 4) for loss in row["dev"]], flush=True)


def plain(again: bool) -> None:
    """{model: {params, dev, test, train}}, the lecture's recipe."""
    parts = ladder.windows(8)
    X, Y = parts[0]
    for name, make in (FLAT | TREE).items():
        if not again and name in load().get("models", {}):
            continue
        start = time.perf_counter()
        row = {"seed": list(SEEDS), "train": [], "dev": [], "test": []}
        for seed in SEEDS:
            generator = torch.Generator().manual_seed(seed)
            model = make(generator)
            training.train(model, lambda g: data.batch(X, Y, 32, g), STEPS, generator=generator,
                           lr=training.step_down(0.1, at={3 * STEPS // 4: 0.1}), progress=False)
            row["params"] = sum(p.numel() for p in model.parameters())
            for part, windows in zip(("train", "dev", "test"), parts, strict=True):
                row[part].append(training.evaluate(model, *windows))
        save("models", name, row, time.perf_counter() - start)
        print("plain", name, [round(loss, 4) for loss in row["dev"]], flush=True)


PARTS = {"tune": tune, "tuned": tuned, "splits": splits, "plain": plain}


def main() -> None:
    torch.set_num_threads(1)
    wanted, again = recorded.asked("part", PARTS)
    for name in wanted:
        PARTS[name](again)
    for recipe, rows in verdicts(load()).items():
        for row in rows:
            print(f"{recipe:6} {row}")


if __name__ == "__main__":
    main()
