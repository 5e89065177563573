"""The honest ladder: every model of Part II on one split, with the spread of its seeds.

    python benchmarks/ladder.py [tune] [short] [seeds] [splits] [again]

Four tables, recorded run by run in `zh/recorded/ladder.json`:

tune    each network once for each rate of `ladder.RATES`, split 0, seed 100 (in no other table),
        on the development set. `zh.ladder.RUNGS` has the rates that the ladder uses.
seeds   the split with seed 0; five seeds for each network. A count model has no seed: one run.
splits  five other splits; every model once on each, networks with the number of the split as seed.
        Here the count models have a spread too, and models can be compared split by split.
short   as `seeds` with ten seeds and short runs: what the tests hold a fresh short run to.

Every network sees 20,000 minibatches of 64, its learning rate goes down a cosine. There is no early
stopping and no weight decay. A run that is in the table already is kept while the first short run
of its model still comes out as recorded; `again` repeats all.
"verdicts" compares each rung with the one before it, on the development and on the test set.
"""
from __future__ import annotations

import functools
import time

import torch

from zh import ladder, recorded

TABLES = {  # name of the table in the result: (steps, [(split seed, network's seed)])
    "short": (ladder.SHORT, [(0, seed) for seed in range(10)]),
    "seeds": (ladder.STEPS, [(0, seed) for seed in range(5)]),
    "splits": (ladder.STEPS, [(seed, seed) for seed in range(1, 6)]),
}
KEYS = {"short": "short", "seeds": "rungs", "splits": "splits"}


CLOSE = 1e-5           # other processors round differently; see tests/unit/test_ladder.py


@functools.cache
def windows(block, split):
    return ladder.windows(block, split)


@functools.cache
def unchanged(rung):
    """Whether the first short run of this rung comes out as it was recorded."""
    old = {row["name"]: row for row in load().get("short", [])}.get(rung.name)
    if old is None or (rung.make and (old["lr"], old["steps"]) != (rung.lr, ladder.SHORT)):
        return False
    run = ladder.climb(rung, windows(rung.block, 0), old["seed"][0], ladder.SHORT)
    return all(abs(run[part] - old[part][0]) < CLOSE for part in ("train", "dev", "test"))


def row(rung, runs, steps):
    """One rung of a table, from its runs."""
    one, params = rung.make is None, [run["params"] for run in runs]
    return dict(
        name=rung.name, block=rung.block, params=params[0] if len(set(params)) == 1 else params,
        **{key: [run[key] for run in runs]
           for key in ("train", "dev", "test", "seconds", "seed", "split", "zh")},
        **({} if one else {"steps": steps, "batch": ladder.BATCH, "lr": rung.lr}),
        **({"k": [run["k"] for run in runs], "backoff": [run["backoff"] for run in runs]}
           if rung.n else {}))


def runs_of(row):
    """The runs that a recorded row was made from."""
    if row is None:
        return {}
    keys = [key for key in ("train", "dev", "test", "seconds", "seed", "split", "zh", "k",
                            "backoff") if isinstance(row.get(key), list)]
    return {(split, seed): {**{key: row[key][i] for key in keys},
                            "params": row["params"][i] if isinstance(row["params"], list)
                            else row["params"]}
            for i, (split, seed) in enumerate(zip(row["split"], row["seed"], strict=True))}


def load():
    return recorded.load("ladder", {"rungs": [], "splits": [], "short": []})


def save(result, seconds):
    """Record the tables, with what they say."""
    result["verdicts"] = {
        key: [ladder.verdict(a["name"], b["name"], a, b, paired)
              for a, b in zip(result[key], result[key][1:], strict=False)]
        for key, paired in (("rungs", False), ("splits", True)) if key in result}
    recorded.save("ladder", {**result, **recorded.provenance("benchmarks/ladder.py", seconds),
                             "command": "python benchmarks/ladder.py", "corpus": ladder.corpus()})


def cost(result):
    """Seconds of all recorded runs together."""
    return (sum(sum(row["seconds"]) for key in KEYS.values() for row in result.get(key, []))
            + sum(row["made"]["seconds"] for row in result.get("tune", {}).values()))


def climb(table, again):
    """Run what is missing of one table, recording after each run."""
    steps, all_runs = TABLES[table]
    for rung in ladder.RUNGS:
        fixed = rung.make is None and table != "splits"      # one split, no seed: one run
        keep, runs = not again and unchanged(rung), []
        for split, seed in all_runs[:1] if fixed else all_runs:
            result = load()
            rows = {old["name"]: old for old in result.get(KEYS[table], [])}
            there = rows.get(rung.name)
            old = runs_of(there).get((split, seed))
            if keep and old and (there.get("steps", steps), there.get("lr", rung.lr)) == (
                    steps, rung.lr):
                runs.append(old)
                continue
            measured = ladder.climb(rung, windows(rung.block, split), seed, steps)
            zh = recorded.made()["versions"]["zh"]
            runs.append(dict(measured, seed=seed, split=split, zh=zh))
            print(f"{table:7} {rung.name:16} split {split} seed {seed}: dev {measured['dev']:.4f} "
                  f"test {measured['test']:.4f} train {measured['train']:.4f} "
                  f"{measured['seconds']:.1f} s", flush=True)
            rows[rung.name] = row(rung, runs, steps)
            result[KEYS[table]] = [rows[r.name] for r in ladder.RUNGS if r.name in rows]
            save(result, cost(result))


def tune(again):
    """{network: {seed, rates, dev, best, made}}, recording after each network."""
    for rung in ladder.RUNGS:
        if rung.make and (again or rung.name not in load().get("tune", {})):
            start = time.perf_counter()
            found = ladder.tune(rung, windows(rung.block, 0))
            found["made"] = recorded.made(time.perf_counter() - start)
            result = load()
            result.setdefault("tune", {})[rung.name] = found
            save(result, cost(result))
            print(f"tune    {rung.name:16} uses {rung.lr}", found, flush=True)


def main() -> None:
    torch.set_num_threads(1)
    tables, again = recorded.asked("table", ["tune", *TABLES])
    start = time.perf_counter()
    for table in tables:
        if table == "tune":
            tune(again)
        else:
            climb(table, again)
    print(f"{time.perf_counter() - start:.0f} s")
    for key, rows in load().get("verdicts", {}).items():
        for row in rows:
            print(key, row)


if __name__ == "__main__":
    main()
