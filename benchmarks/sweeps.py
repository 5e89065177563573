"""What context, width and length of training buy, on the bundled names: recorded for the chapters.

    python benchmarks/sweeps.py [context] [width] [steps] [again]

The split with seed 0, three seeds a network, minibatches of 64, half a cosine: 10,000 steps of it,
where the steps are not what varies. The top of the cosine is the one of `zh.ladder`, except for
widths: another width wants another rate, so there the best of RATES on the development set (mean
of the seeds) is looked for, and all that were tried are kept in the row.

Recorded row by row in `zh/recorded/sweeps.json`. A row is kept as long as its learning rate and its
steps are the ones asked for and a short run gives what it gave when the row was made; else, or with
`again`, it is made again. A run that is stopped loses nothing.
"""
from __future__ import annotations

import statistics

import torch

from zh import ladder, recorded
from zh.mlp import MLP
from zh.wavenet import WaveNet

SEEDS = (10, 11, 12)
STEPS, PROBE = 10_000, 200
RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0)
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
    """The MLP with 3 letters of context, by tanh units and by length of a letter's vector."""
    for dim, hidden in [(10, 25), (10, 50), (10, 100), (10, 200), (10, 400),
                        (2, 200), (5, 200), (20, 200)]:
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


def runs_of(rung, parts, number):
    """One run a seed; a count model has no seed."""
    return [ladder.climb(rung, parts, seed, number) for seed in (SEEDS if rung.make else SEEDS[:1])]


def tuned(rung, parts, number):
    """The runs at the best of RATES, its rate, and the dev losses of all that were tried.

    From the rung's own rate one goes to the better neighbour until both are worse.
    """
    tried = {}

    def mean(i):
        if RATES[i] not in tried:
            tried[RATES[i]] = runs_of(rung._replace(lr=RATES[i]), parts, number)
        return statistics.fmean(run["dev"] for run in tried[RATES[i]])

    at, best = None, RATES.index(rung.lr)
    while best != at:
        at = best
        best = min((i for i in (at - 1, at, at + 1) if 0 <= i < len(RATES)), key=mean)
    found = {str(rate): [run["dev"] for run in tried[rate]] for rate in sorted(tried)}
    return tried[RATES[at]], RATES[at], found


def probe(rung, lr, parts):
    """Dev loss after a short run: changes when the code changes what it computes."""
    return ladder.climb(rung._replace(lr=lr), parts, SEEDS[0], PROBE)["dev"]


def row_of(sweep, key, rung, number, parts):
    """Make one row."""
    if sweep == "width":
        runs, lr, tried = tuned(rung, parts, number)
        settings = dict(lr=lr, steps=number, tried=tried)
    elif rung.make:
        runs, settings = runs_of(rung, parts, number), dict(lr=rung.lr, steps=number)
    else:
        runs = runs_of(rung, parts, number)
        settings = {"k": runs[0]["k"], "backoff": runs[0]["backoff"]}
    made = recorded.provenance("benchmarks/sweeps.py")
    return dict(key, params=runs[0]["params"], **settings,
                **{name: [run[name] for run in runs] for name in ("train", "dev", "test",
                                                                  "seconds")},
                probe=probe(rung, settings.get("lr", 0.0), parts), date=made["date"])


def holds(row, rung, number, parts):
    """Whether a recorded row is what this code would record, as far as a short run can tell."""
    if row.get("probe") is None or row.get("steps", 0) != number:
        return False
    if "tried" not in row and row.get("lr", 0.0) != rung.lr:
        return False
    return abs(probe(rung, row.get("lr", 0.0), parts) - row["probe"]) < 1e-4


def load():
    return recorded.load("sweeps", {})


def keep(sweep, key, row):
    """Put one row in its place; what the sweep does not name any more goes."""
    result = load()
    rows = [row, *result.get(sweep, [])]
    order = [wanted for wanted, _, _ in SWEEPS[sweep]()]
    found = [[r for r in rows if wanted.items() <= r.items()][:1] for wanted in order]
    result[sweep] = [r for one in found for r in one]
    total = sum(sum(r["seconds"]) for name in SWEEPS for r in result.get(name, []))
    made = recorded.provenance("benchmarks/sweeps.py", total)
    recorded.save("sweeps", {**result, **made, "command": "python benchmarks/sweeps.py",
                             "seeds": list(SEEDS), "split": 0, "batch": ladder.BATCH,
                             "length": STEPS, "rates": list(RATES)})


def main() -> None:
    torch.set_num_threads(1)
    wanted, again = recorded.asked("sweep", SWEEPS)
    parts = {}
    for sweep in wanted:
        for key, rung, number in SWEEPS[sweep]():
            if rung.block not in parts:
                parts = {rung.block: ladder.windows(rung.block)}
            there = [r for r in load().get(sweep, []) if key.items() <= r.items()]
            if there and not again and holds(there[0], rung, number, parts[rung.block]):
                continue
            row = row_of(sweep, key, rung, number, parts[rung.block])
            keep(sweep, key, row)
            print(sweep, key, row.get("tried", [round(dev, 4) for dev in row["dev"]]),
                  row["seconds"], flush=True)


if __name__ == "__main__":
    main()
