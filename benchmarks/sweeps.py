"""What context, width and length of training buy, on the bundled names: recorded for the chapters.

    python benchmarks/sweeps.py [context] [width] [steps]

The split with seed 0, three seeds a network, 10,000 minibatches of 64, the learning rates of
`zh.ladder`. Recorded row by row in `zh/recorded/sweeps.json`; a row that is there is kept, unless
`again` is given.
"""
from __future__ import annotations

import sys

import torch

from zh import ladder, recorded
from zh.mlp import MLP
from zh.wavenet import WaveNet

SEEDS = (10, 11, 12)
STEPS = 10_000
RATE = {rung.name: rung.lr for rung in ladder.RUNGS}


def context():
    """(key of the row, rung, steps): n-grams, flat MLPs and WaveNets by letters of context."""
    for block in range(1, 11):
        yield (dict(model="n-gram", block=block),
               ladder.Rung("n-gram", block, n=block + 1), 0)
    for block in range(1, 11):
        yield (dict(model="MLP", block=block), ladder.Rung(
            "MLP", block, lr=RATE["MLP"],
            make=lambda g, block=block: MLP(block=block, generator=g)), STEPS)
    for block in (2, 4, 8):
        yield (dict(model="WaveNet", block=block), ladder.Rung(
            "WaveNet", block, lr=RATE["WaveNet"],
            make=lambda g, block=block: WaveNet(block=block, generator=g)), STEPS)


def width():
    """The MLP with 3 letters of context, by length of a letter's vector and tanh units."""
    for dim in (2, 5, 10, 20):
        for hidden in (25, 50, 100, 200, 400):
            yield (dict(dim=dim, hidden=hidden), ladder.Rung(
                "MLP", 3, lr=RATE["MLP"],
                make=lambda g, d=dim, h=hidden: MLP(dim=d, hidden=h, generator=g)), STEPS)


def steps():
    """The networks of the ladder, by length of training."""
    for rung in ladder.RUNGS:
        if rung.make:
            for number in (2_500, 5_000, 10_000, 40_000):
                yield dict(model=rung.name, steps=number), rung, number


SWEEPS = {"context": context, "width": width, "steps": steps}


def main() -> None:
    torch.set_num_threads(1)
    again = "again" in sys.argv
    for sweep in [name for name in sys.argv[1:] if name != "again"] or list(SWEEPS):
        made, parts = [], {}
        for key, rung, number in SWEEPS[sweep]():
            try:
                result = recorded.load("sweeps")
            except FileNotFoundError:
                result = {}
            there = [row for row in result.get(sweep, [])
                     if all(row[name] == value for name, value in key.items())]
            if there and not again:
                made.append(there[0])
                continue
            if rung.block not in parts:
                parts = {rung.block: ladder.windows(rung.block)}
            runs = [ladder.climb(rung, parts[rung.block], seed, number)
                    for seed in (SEEDS if rung.make else SEEDS[:1])]
            row = dict(key, params=runs[0]["params"],
                       **{name: [run[name] for run in runs]
                          for name in ("train", "dev", "test", "seconds")},
                       **({} if rung.make else {"k": runs[0]["k"], "backoff": runs[0]["backoff"]}))
            made.append(row)
            print(sweep, key, [round(dev, 4) for dev in row["dev"]], row["seconds"], flush=True)
            kept = {**result, sweep: made}
            total = sum(sum(row["seconds"]) for name in SWEEPS for row in kept.get(name, []))
            recorded.save("sweeps", {
                **kept, **recorded.provenance("benchmarks/sweeps.py", total),
                "command": "python benchmarks/sweeps.py", "seeds": list(SEEDS), "split": 0,
                "batch": ladder.BATCH, "length": STEPS})


if __name__ == "__main__":
    main()
