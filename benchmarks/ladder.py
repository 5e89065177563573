"""The honest ladder: every model of Part II on one split, with the spread of its seeds.

    python benchmarks/ladder.py [short] [seeds] [splits]

Three tables, recorded run by run in `zh/recorded/ladder.json`:

seeds   the split with seed 0; five seeds for each network. A count model has no seed: one run.
splits  five other splits; every model once on each, networks with the number of the split as seed.
        Here the count models have a spread too, and models can be compared split by split.
short   as `seeds` with ten seeds and short runs: what the tests hold a fresh short run to.

Every network sees 20,000 minibatches of 64, its learning rate goes down a cosine. The tops of the
cosines were tuned once, on the development set of split 0 with a seed that is not in the tables
(100); see `tuned` in the result. There is no early stopping and no weight decay. A run that is in
the table already, made by the same code, is kept.
"""
from __future__ import annotations

import functools
import hashlib
import sys
import time

import torch

import zh.layers
import zh.mlp
import zh.ngrams
import zh.wavenet
from zh import data, ladder, recorded, training

TABLES = {  # name of the table in the result: (steps, [(split seed, network's seed)])
    "short": (ladder.SHORT, [(0, seed) for seed in range(10)]),
    "seeds": (ladder.STEPS, [(0, seed) for seed in range(5)]),
    "splits": (ladder.STEPS, [(seed, seed) for seed in range(1, 6)]),
}
KEYS = {"short": "short", "seeds": "rungs", "splits": "splits"}


@functools.cache
def code():
    """A digest of the code behind the runs, read once."""
    return recorded.code(zh.layers, zh.mlp, zh.ngrams, zh.wavenet, training, ladder)


def corpus():
    """What the runs were made from: sizes, and a digest that changes when a name does."""
    parts = data.split(data.names("bundled"))
    digest = hashlib.sha256("\n".join(word for part in parts for word in part).encode())
    return {"names": "bundled", "distinct": sum(map(len, parts)),
            "parts": [len(part) for part in parts],
            "windows": [sum(len(word) + 1 for word in part) for part in parts],
            "digest": digest.hexdigest()[:12]}


def row(rung, runs, steps):
    """One rung of a table, from its runs."""
    one = rung.make is None
    return dict(
        name=rung.name, block=rung.block, params=runs[0]["params"],
        **{key: [run[key] for run in runs]
           for key in ("train", "dev", "test", "seconds", "seed", "split", "code")},
        **({} if one else {"steps": steps, "batch": ladder.BATCH, "lr": rung.lr}),
        **({"k": [run["k"] for run in runs], "backoff": [run["backoff"] for run in runs]}
           if rung.n else {}))


def runs_of(row):
    """The runs that a recorded row was made from."""
    if row is None:
        return {}
    keys = [key for key in ("train", "dev", "test", "seconds", "seed", "split", "code", "k",
                            "backoff") if isinstance(row.get(key), list)]
    return {(split, seed): {**{key: row[key][i] for key in keys}, "params": row["params"]}
            for i, (split, seed) in enumerate(zip(row["split"], row["seed"], strict=True))}


def load():
    try:
        return recorded.load("ladder")
    except FileNotFoundError:
        return {"rungs": [], "splits": [], "short": []}


def climb(table):
    """Run what is missing of one table, recording after each run."""
    steps, all_runs = TABLES[table]
    cache = {}
    for rung in ladder.RUNGS:
        fixed = rung.make is None and table != "splits"      # one split, no seed: one run
        runs = []
        for split, seed in all_runs[:1] if fixed else all_runs:
            result = load()
            there = {old["name"]: old for old in result.get(KEYS[table], [])}.get(rung.name)
            old = runs_of(there).get((split, seed))
            if old and old["code"] == code() and there.get("steps", steps) == steps:
                runs.append(old)
                continue
            if (rung.block, split) not in cache:
                cache[rung.block, split] = ladder.windows(rung.block, split)
            measured = ladder.climb(rung, cache[rung.block, split], seed, steps)
            runs.append(dict(measured, seed=seed, split=split, code=code()))
            print(f"{table:7} {rung.name:16} split {split} seed {seed}: dev {measured['dev']:.4f} "
                  f"test {measured['test']:.4f} train {measured['train']:.4f} "
                  f"{measured['seconds']:.1f} s", flush=True)
            rows = {old["name"]: old for old in result.get(KEYS[table], [])}
            rows[rung.name] = row(rung, runs, steps)
            result[KEYS[table]] = [rows[r.name] for r in ladder.RUNGS if r.name in rows]
            keep(result)


def keep(result):
    total = sum(sum(row["seconds"]) for key in KEYS.values() for row in result.get(key, []))
    made = recorded.provenance("benchmarks/ladder.py", total)
    made["command"] = "python benchmarks/ladder.py"
    recorded.save("ladder", {**result, **made, "corpus": corpus(), "tuned": TUNED})


TUNED = ("top of the cosine from 0.1 to 1, minibatches of 64, on the development set of split 0 "
         "with seed 100")


def main() -> None:
    torch.set_num_threads(1)
    code()
    tables = sys.argv[1:] or list(TABLES)
    if unknown := [name for name in tables if name not in TABLES]:
        sys.exit(f"no table {', '.join(unknown)}; there is {', '.join(TABLES)}")
    start = time.perf_counter()
    for table in tables:
        climb(table)
    print(f"{time.perf_counter() - start:.0f} s")
    found = load()
    for key, paired in [("rungs", False), ("splits", True)]:
        for part in ("dev", "test"):
            print(f"\n{key}, {part}")
            for step in ladder.steps(found.get(key, []), part, paired):
                print(f"  {step}")


if __name__ == "__main__":
    main()
